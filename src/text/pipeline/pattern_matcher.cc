// Search and replacement by literal, regular expression or class.
#include "text/pipeline/pattern_matcher.h"

#include "text/unicode/character_class.h"

namespace farthing::tokenizer {

Result<PatternMatcher> PatternMatcher::compile(const Pattern& pattern, std::string_view where) {
  PatternMatcher matcher;
  if (pattern.is_regex) {
    matcher.regex_ = TRY(Regex::compile(pattern.text, where));
  } else {
    matcher.literal_ = pattern.text;
  }
  return matcher;
}

PatternMatcher PatternMatcher::of_class(bool (*contains)(char32_t)) {
  PatternMatcher matcher;
  matcher.contains_ = contains;
  return matcher;
}

std::optional<Regex::Match> PatternMatcher::find(std::string_view text, std::size_t from) const {
  if (regex_) return regex_->find(text, from);
  if (contains_ != nullptr) {
    while (from < text.size()) {
      const Character character = first_character(text.substr(from));
      if (contains_(character.value)) return Regex::Match{from, from + character.bytes};
      from += character.bytes;
    }
    return std::nullopt;
  }
  if (literal_.empty()) return std::nullopt;
  const std::size_t begin = text.find(literal_, from);
  if (begin == std::string_view::npos) return std::nullopt;
  return Regex::Match{begin, begin + literal_.size()};
}

std::string PatternMatcher::replace_all(std::string_view text, std::string_view content) const {
  std::string out;
  std::size_t done = 0;
  while (const auto match = find(text, done)) {
    out += text.substr(done, match->begin - done);
    out += content;
    done = match->end;
  }
  out += text.substr(done);
  return out;
}

}  // namespace farthing::tokenizer
