// The first stage of a tokenizer: rewrites the text.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/pipeline/pattern_matcher.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

class Normalizer {
 public:
  static Result<Normalizer> compile(const std::vector<NormalizerStep>& steps,
                                    std::string_view where);

  // `text` itself, or `buffer` filled with its normal form. The text must be valid UTF-8.
  std::string_view normalize(std::string_view text, std::string* buffer) const;

 private:
  struct Replacement {
    PatternMatcher matcher;
    std::string content;
  };
  std::vector<std::variant<Prepend, Replacement, Nfc>> steps_;
};

}  // namespace farthing::tokenizer
