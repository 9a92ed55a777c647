// The first stage of a tokenizer: rewrites the text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// Where a part lies in the text that is encoded: added tokens cut it.
struct PartPlace {
  bool first = true, last = true;
};

class Normalizer {
 public:
  // Fails on patterns that do not compile and on a charsmap that is damaged.
  static Result<Normalizer> compile(const std::vector<NormalizerStep>& steps,
                                    std::string_view where);

  // `text` itself, or `buffer` filled with its normal form. The text must be valid UTF-8.
  std::string_view normalize(std::string_view text, std::string* buffer,
                             PartPlace place = {}) const;

 private:
  using Step = std::function<void(std::string* text, PartPlace place)>;
  std::vector<Step> steps_;
};

}  // namespace farthing::tokenizer
