// Scratch memory of the dense kernels, in floats: partial sums of 64 tokens x 4 panels x 8 shards,
// and four weight tiles.
#pragma once

#include <cstdint>

namespace farthing {
inline constexpr int64_t dense_scratch_floats = 8 * 64 * 4 * 16 + 4 * 256 * 16;
}
