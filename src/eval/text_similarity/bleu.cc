// Tokenizing, counting and smoothing.
#include "eval/text_similarity/bleu.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "base/check.h"
#include "text/unicode/character_class.h"
#include "text/unicode/regex.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

// Puts `before`, `between` and `behind` around the parts of each match: its first character, and
// the rest.
struct Separation {
  Regex pattern;
  std::string_view before, between, behind;

  std::string applied(const std::string& text) const {
    std::string out;
    size_t at = 0;
    while (const auto match = pattern.find(text, at)) {
      const size_t first = match->begin + utf8_character_bytes(text[match->begin]);
      out.append(text, at, match->begin - at).append(before);
      out.append(text, match->begin, first - match->begin).append(between);
      out.append(text, first, match->end - first).append(behind);
      at = match->end;
    }
    return out.append(text, at);
  }
};

std::string separated(std::string text) {
  const auto pattern = [](const char* regex) { return Regex::compile(regex, "BLEU").value(); };
  static const Separation separations[] = {{pattern(R"(\P{N}\p{P})"), "", " ", " "},
                                           {pattern(R"(\p{P}\P{N})"), " ", " ", ""},
                                           {pattern(R"(\p{S})"), " ", "", " "}};
  for (const Separation& separation : separations) text = separation.applied(text);
  return text;
}

using Counts = std::map<std::vector<std::string>, int64_t>;

Counts counts_of(std::span<const std::string> words, size_t order) {
  Counts out;
  for (size_t i = 0; i + order <= words.size(); ++i)
    ++out[{words.begin() + static_cast<int64_t>(i),
           words.begin() + static_cast<int64_t>(i + order)}];
  return out;
}

}  // namespace

std::vector<std::string> international_words(std::string_view text) {
  const std::string all = separated(replace_invalid_utf8(text));
  std::vector<std::string> out;
  bool inside = false;
  for (size_t at = 0; at < all.size();) {
    const Character c = first_character(std::string_view(all).substr(at));
    // What Python's str.split takes beside White_Space: U+001C to U+001F.
    const bool space = is_white_space(c.value) || (c.value >= 0x1C && c.value <= 0x1F);
    if (!space && !inside) out.emplace_back();
    if (!space) out.back().append(all, at, c.bytes);
    inside = !space;
    at += c.bytes;
  }
  return out;
}

double bleu(std::string_view text, std::string_view reference) {
  constexpr size_t most_words = 4;
  const auto ours = international_words(text), wanted = international_words(reference);
  if (ours.size() < most_words) return 0;
  double log_sum = 0, smoothing = 1;
  bool any = false;
  for (size_t order = 1; order <= most_words; ++order) {
    const Counts in_reference = counts_of(wanted, order);
    int64_t matches = 0;
    for (const auto& [words, count] : counts_of(ours, order)) {
      const auto found = in_reference.find(words);
      if (found != in_reference.end()) matches += std::min(count, found->second);
    }
    any = any || matches > 0;
    const auto total = static_cast<double>(ours.size() - order + 1);
    if (matches == 0) smoothing *= 2;
    const double hits = matches == 0 ? 1 / smoothing : static_cast<double>(matches);
    log_sum += std::log(100 * hits / total);
  }
  if (!any) return 0;
  const double ratio = static_cast<double>(wanted.size()) / static_cast<double>(ours.size());
  return std::exp(std::min(0.0, 1 - ratio)) * std::exp(log_sum / most_words);
}

}  // namespace farthing
