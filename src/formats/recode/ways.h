// The ways of recode, each of which takes some rows of a matrix at a time.
#pragma once

#include <optional>
#include <string>

#include "formats/format.h"

namespace farthing::recoding {

// What the target cannot hold.
struct Misfit {
  int64_t row, begin, end;  // inputs [begin, end) of the row
  std::string got, wanted;
};

// Rows of a call, at most; few enough that their codes stay in the cache.
inline constexpr int64_t rows_of_call = 16;

// Recodes whole rows into a target that is allocated. Rows of different calls share no byte.
using TileWay = std::optional<Misfit> (*)(const QuantizedTensor& from, QuantizedTensor& to,
                                          Tile rows);

// Between formats whose values are scale * (code - zero), steps.cc; null for others.
TileWay way_between_steps(const Format& from, const Format& to);
// Between formats of E2M1 elements, e2m1.cc; null for others.
TileWay way_between_e2m1(const Format& from, const Format& to);

}  // namespace farthing::recoding
