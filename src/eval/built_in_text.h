// The texts that models are measured on and calibrated with where the user gives none.
#pragma once

#include <string_view>

namespace farthing::embedded {

// The head of WikiText-2's raw test split: data/wikitext-2/eval.txt, CC BY-SA 3.0, see the NOTICE
// beside it. Built into the program by farthing_embed in src/CMakeLists.txt.
extern const std::string_view wikitext_excerpt;
// Later articles of the same split, none of them in the excerpt: data/wikitext-2/calibration.txt.
extern const std::string_view wikitext_calibration;

}  // namespace farthing::embedded
