// The chains of outlier columns in plain C++.
#include "kernels/outlier_columns/outlier_columns.h"
#include "kernels/vec/portable.h"

#include "kernels/outlier_columns/outlier_columns.inc"

namespace farthing {
extern const OutlierColumnsFunctions outlier_columns_portable;
const OutlierColumnsFunctions outlier_columns_portable{.add = add_outlier_columns};
}  // namespace farthing
