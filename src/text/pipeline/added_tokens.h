// Finds added tokens (such as <|im_start|>) in a text before anything else is done with it.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

class AddedTokens {
 public:
  // A part of the text, and the token that it is (or none).
  using Sink = std::function<void(std::string_view part, std::optional<std::int32_t> id)>;

  void add(const AddedToken& token, std::string content);

  // Calls `sink` with each part of `text` in order: leftmost matches, the longest of those that
  // start at one place. Without `parse_special` special tokens are ordinary text.
  void split(std::string_view text, bool parse_special, const Sink& sink) const;

 private:
  struct Entry {
    std::string content;
    AddedToken token;
  };
  const Entry* longest_at(std::string_view rest) const;

  std::array<std::vector<Entry>, 256> by_first_byte_;  // longest first
  bool empty_ = true;
};

}  // namespace farthing::tokenizer
