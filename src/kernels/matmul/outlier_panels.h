// OutlierPanels: outliers of packed weights, behind all element panels, for each tile of 256 x 16
// weights those that are put into it once it is decoded.
//
// [begins: u32 [panels * tiles + 1]][outliers]; tile t of panel p has the outliers from begins[p *
// tiles + t] to the next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/format.h"

namespace farthing {

struct PackedOutlier {
  uint32_t at;  // in the tile's [256][16]
  float value;
};

struct OutlierPanels {
  int64_t tiles;  // of a panel
  int64_t begins_offset, outliers_offset;

  // `offset`: bytes of the panels before, a multiple of 64.
  OutlierPanels(int64_t n, int64_t k, int64_t offset)
      : tiles((k + 255) / 256),
        begins_offset(offset),
        outliers_offset(offset + ((n + 15) / 16 * tiles + 1 + 15) / 16 * 64) {}
  int64_t bytes(int64_t outliers) const {
    return outliers_offset + outliers * static_cast<int64_t>(sizeof(PackedOutlier));
  }
};

// Writes those of one panel to their places in `packed`.
void pack_outliers(const QuantizedTensor& q, const OutlierPanels& layout, int64_t panel,
                   std::byte* packed);

}  // namespace farthing
