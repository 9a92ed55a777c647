// How a sum along k is cut: tiles of 256, at most eight shards, one fixed tree. A function of k
// alone.
#pragma once

#include <cstdint>

namespace farthing {

inline constexpr int64_t tile_k = 256;
inline constexpr int most_shards = 8;

struct Shards {
  int64_t k, tiles;
  int count;
  __attribute__((always_inline)) constexpr explicit Shards(int64_t k_size)
      : k(k_size),
        tiles((k_size + tile_k - 1) / tile_k),
        count(static_cast<int>(tiles < most_shards ? tiles : most_shards)) {}
  __attribute__((always_inline)) constexpr int64_t first_tile(int shard) const {
    return shard * tiles / count;
  }
  // One past the last element along k of tile `tile`.
  __attribute__((always_inline)) constexpr int64_t tile_end(int64_t tile) const {
    return (tile + 1) * tile_k < k ? (tile + 1) * tile_k : k;
  }
};

}  // namespace farthing
