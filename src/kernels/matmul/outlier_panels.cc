// Packing of outliers: a panel's are sixteen rows of the stored list, in the order of its tiles.
#include "kernels/matmul/outlier_panels.h"

#include <algorithm>
#include <cstring>

#include "formats/outliers.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/shards.h"

namespace farthing {

void pack_outliers(const QuantizedTensor& q, const OutlierPanels& layout, int64_t panel,
                   std::byte* packed) {
  const int64_t n0 = panel * panel_outputs, n1 = std::min(n0 + panel_outputs, q.n);
  const int32_t* rows = q.planes[static_cast<size_t>(q.format->outliers)].as<int32_t>();
  auto at = static_cast<uint32_t>(rows[n0]);
  std::byte* const begins = packed + layout.begins_offset;
  std::byte* const outliers = packed + layout.outliers_offset;
  const auto put_begin = [&](int64_t tile) {
    std::memcpy(begins + (panel * layout.tiles + tile) * 4, &at, 4);
  };
  for (int64_t tile = 0; tile < layout.tiles; ++tile) {
    put_begin(tile);
    const int64_t k0 = tile * tile_k, k1 = std::min(k0 + tile_k, q.k);
    for (int64_t n = n0; n < n1; ++n) {
      each_outlier(q, n, k0, k1, [&](int64_t k, float value) {
        const PackedOutlier outlier{static_cast<uint32_t>((k - k0) * panel_outputs + n - n0),
                                    value};
        std::memcpy(outliers + at * sizeof outlier, &outlier, sizeof outlier);
        ++at;
      });
    }
  }
  if (n1 == q.n) put_begin(layout.tiles);
}

}  // namespace farthing
