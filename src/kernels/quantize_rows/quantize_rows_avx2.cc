// int8 codes of activation rows in AVX2.
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/vec/avx2.h"

#include "kernels/quantize_rows/quantize_rows.inc"

namespace farthing {
extern const QuantizeRowsFunctions quantize_rows_avx2;
const QuantizeRowsFunctions quantize_rows_avx2 = functions;
}  // namespace farthing
