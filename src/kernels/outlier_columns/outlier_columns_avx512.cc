// The chains of outlier columns in AVX-512.
#include "kernels/outlier_columns/outlier_columns.h"
#include "kernels/vec/avx512.h"

#include "kernels/outlier_columns/outlier_columns.inc"

namespace farthing {
extern const OutlierColumnsFunctions outlier_columns_avx512;
const OutlierColumnsFunctions outlier_columns_avx512{.add = add_outlier_columns};
}  // namespace farthing
