// Sizes of tensors that a file claims, computed without overflow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace farthing {

// The product of `sizes` times `unit`, or nothing where a size is negative or the product of the
// non-zero sizes does not fit 63 bits (so no partial product that a caller forms later overflows
// either).
inline std::optional<int64_t> checked_product(std::span<const int64_t> sizes, int64_t unit = 1) {
  int64_t product = unit;
  bool zero = false;
  for (const int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    zero |= size == 0;
    if (__builtin_mul_overflow(product, size == 0 ? 1 : size, &product)) return std::nullopt;
  }
  return zero ? 0 : product;
}

}  // namespace farthing
