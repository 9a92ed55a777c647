// int8 codes of activation rows in plain C++.
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/vec/portable.h"

#include "kernels/quantize_rows/quantize_rows.inc"

namespace farthing {
extern const QuantizeRowsFunctions quantize_rows_portable;
const QuantizeRowsFunctions quantize_rows_portable = functions;
}  // namespace farthing
