// AdamW's step and the sum of squares in AVX-512.
#include "kernels/adamw/adamw.h"
#include "kernels/vec/avx512.h"

#include "kernels/adamw/adamw.inc"

namespace farthing {
extern const AdamWFunctions adamw_avx512;
const AdamWFunctions adamw_avx512{.step = adamw_step, .sum_of_squares = sum_of_squares};
}  // namespace farthing
