// The rules of SentencePiece's Normalizer::Normalize.
#include "text/pipeline/spaces.h"

#include <string_view>

namespace farthing::tokenizer {

void arrange_spaces(const SentencePieceSpaces& step, PartPlace place, std::string* text) {
  constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581
  std::string out;
  bool after_space = step.remove_extra && place.first;
  for (const char c : *text) {
    if (c == ' ' && step.remove_extra && after_space) continue;
    after_space = c == ' ';
    if (c == ' ') {
      out += kSpace;
    } else {
      out += c;
    }
  }
  if (step.remove_extra && place.last) {
    while (out.ends_with(kSpace)) out.resize(out.size() - kSpace.size());
  }
  if (step.add_prefix && place.first && !out.empty()) out.insert(0, kSpace);
  text->swap(out);
}

}  // namespace farthing::tokenizer
