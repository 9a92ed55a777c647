// The largest magnitude of a whole matrix, found on threads: what scales of tensors are made of.
#pragma once

#include <atomic>
#include <bit>

#include "base/thread_pool.h"
#include "formats/scale_rule.h"

namespace farthing {

// Of the finite values of [n, k], `stride` floats a row. A maximum does not depend on the order.
inline float finite_amax(ThreadPool& pool, const float* values, int64_t n, int64_t k,
                         int64_t stride) {
  std::atomic<uint32_t> largest{0};  // magnitudes of floats are ordered as their bits
  pool.run([&](Part part) {
    const auto rows = part.range(n);
    uint32_t mine = 0;
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const float* row = values + i * stride;
      float amax = amax_of(row, k);
      if (!is_finite(amax)) {
        amax = 0;
        for (int64_t j = 0; j < k; ++j)
          if (is_finite(row[j]) && std::fabs(row[j]) > amax) amax = std::fabs(row[j]);
      }
      const uint32_t bits = std::bit_cast<uint32_t>(amax);
      mine = bits > mine ? bits : mine;
    }
    uint32_t seen = largest.load();
    while (mine > seen && !largest.compare_exchange_weak(seen, mine)) {
    }
  });
  return std::bit_cast<float>(largest.load());
}

}  // namespace farthing
