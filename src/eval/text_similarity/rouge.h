// ROUGE of a text against a reference.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// Lower case, runs of letters a to z and digits; no stemming.
std::vector<std::string> rouge_words(std::string_view text);

// F measures from 0 to 100 (Lin 2004), as the package rouge-score gives them without a stemmer.
struct Rouge {
  double one = 0, two = 0;  // pairs of one word and of two, each as often as both texts have it
  double l_sum = 0;         // the union of longest common subsequences over lines
};
Rouge rouge(std::string_view text, std::string_view reference);

}  // namespace farthing
