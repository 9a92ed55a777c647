// The merges of BPE as files list them: pairs of tokens, the first merged first.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

class RankedMerges {
 public:
  // `tokens` must outlive this and stay as they are. Of equal tokens the first counts.
  explicit RankedMerges(const std::vector<std::string>& tokens);

  // Takes the next merge; false unless both are tokens which joined are a token too.
  bool add(std::string_view left, std::string_view right);
  // "left right"; a token may begin with a space.
  bool add(std::string_view line);

  std::vector<Merge> take() { return std::move(merges_); }

 private:
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::vector<Merge> merges_;
};

}  // namespace farthing::tokenizer
