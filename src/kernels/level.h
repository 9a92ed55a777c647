// The three levels of arithmetic that a kernel declares; docs/numerics.md states what each
// promises.
#pragma once

#include <string_view>

namespace farthing {

enum class Level {
  exact_integer,  // sums of integers: any order gives the same bits
  fixed_order,    // float sums whose order is a function of k (or of the position) alone
  tolerance,      // the same kernel with the same tiling reproduces itself; nothing else does
};

constexpr std::string_view level_name(Level level) {
  return level == Level::exact_integer ? "exact_integer"
         : level == Level::fixed_order ? "fixed_order"
                                       : "tolerance";
}

}  // namespace farthing
