// AdamW's step and the sum of squares in AVX2.
#include "kernels/adamw/adamw.h"
#include "kernels/vec/avx2.h"

#include "kernels/adamw/adamw.inc"

namespace farthing {
extern const AdamWFunctions adamw_avx2;
const AdamWFunctions adamw_avx2{.step = adamw_step, .sum_of_squares = sum_of_squares};
}  // namespace farthing
