// AdamW's step and the sum of squares in plain C++.
#include "kernels/adamw/adamw.h"
#include "kernels/vec/portable.h"

#include "kernels/adamw/adamw.inc"

namespace farthing {
extern const AdamWFunctions adamw_portable;
const AdamWFunctions adamw_portable{.step = adamw_step, .sum_of_squares = sum_of_squares};
}  // namespace farthing
