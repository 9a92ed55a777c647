// Where a pattern of a tokenizer file, literal, regular expression or class, occurs in a text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/pipeline/spec.h"
#include "text/unicode/regex.h"

namespace farthing::tokenizer {

class PatternMatcher {
 public:
  static Result<PatternMatcher> compile(const Pattern& pattern, std::string_view where);

  // Matches each character for which `contains` is true.
  static PatternMatcher of_class(bool (*contains)(char32_t));

  // The first non-empty match at or after byte `from`.
  std::optional<Regex::Match> find(std::string_view text, std::size_t from) const;

  std::string replace_all(std::string_view text, std::string_view content) const;

 private:
  std::string literal_;
  std::optional<Regex> regex_;
  bool (*contains_)(char32_t) = nullptr;
};

}  // namespace farthing::tokenizer
