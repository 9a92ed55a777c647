// The chains of outlier columns in AVX2.
#include "kernels/outlier_columns/outlier_columns.h"
#include "kernels/vec/avx2.h"

#include "kernels/outlier_columns/outlier_columns.inc"

namespace farthing {
extern const OutlierColumnsFunctions outlier_columns_avx2;
const OutlierColumnsFunctions outlier_columns_avx2{.add = add_outlier_columns};
}  // namespace farthing
