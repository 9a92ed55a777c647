// Prepend, Replace and Unicode's normal form C.
#include "text/pipeline/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"

namespace farthing::tokenizer {
namespace {

std::string to_nfc(std::string text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  if (ascii) return text;
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  CHECK(bytes >=
        0);  // fails only on invalid UTF-8, which the tokenizer has replaced, or without memory
  std::string out(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(bytes));
  std::free(composed);
  return out;
}

}  // namespace

Result<Normalizer> Normalizer::compile(const std::vector<NormalizerStep>& steps,
                                       std::string_view where) {
  Normalizer normalizer;
  for (const NormalizerStep& step : steps) {
    if (const auto* replace = std::get_if<Replace>(&step)) {
      normalizer.steps_.push_back(
          Replacement{TRY(PatternMatcher::compile(replace->pattern, where)), replace->content});
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      normalizer.steps_.push_back(*prepend);
    } else {
      normalizer.steps_.push_back(Nfc{});
    }
  }
  return normalizer;
}

std::string_view Normalizer::normalize(std::string_view text, std::string* buffer) const {
  if (steps_.empty() || text.empty()) return text;
  *buffer = text;
  for (const auto& step : steps_) {
    if (const auto* replacement = std::get_if<Replacement>(&step)) {
      *buffer = replacement->matcher.replace_all(*buffer, replacement->content);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (!buffer->empty()) buffer->insert(0, prepend->text);
    } else {
      *buffer = to_nfc(std::move(*buffer));
    }
  }
  return *buffer;
}

}  // namespace farthing::tokenizer
