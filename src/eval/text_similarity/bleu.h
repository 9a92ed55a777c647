// BLEU of one sentence against one reference.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// Words by mteval-v14's international tokenization: punctuation stands by itself except between
// digits, symbols always.
std::vector<std::string> international_words(std::string_view text);

// From 0 to 100: the geometric mean of the clipped precisions of 1 to 4 words, times the brevity
// penalty. The first precision without a match counts as half a match, the next as a quarter, and
// so on; a text of fewer than four words, or without any match, has 0. Papineni et al. 2002; as
// sacrebleu's corpus_bleu with tokenize "intl", smooth_method "exp" and use_effective_order False.
double bleu(std::string_view text, std::string_view reference);

}  // namespace farthing
