// int8 codes of activation rows in AVX-512.
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/vec/avx512.h"

#include "kernels/quantize_rows/quantize_rows.inc"

namespace farthing {
extern const QuantizeRowsFunctions quantize_rows_avx512;
const QuantizeRowsFunctions quantize_rows_avx512 = functions;
}  // namespace farthing
