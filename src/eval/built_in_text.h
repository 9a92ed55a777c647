// The text that models are measured on where the user gives none.
#pragma once

#include <string_view>

namespace farthing::embedded {

// The head of WikiText-2's raw test split: data/wikitext-2/eval.txt, CC BY-SA 3.0, see the NOTICE
// beside it. Built into the program by farthing_embed in src/CMakeLists.txt.
extern const std::string_view wikitext_excerpt;

}  // namespace farthing::embedded
