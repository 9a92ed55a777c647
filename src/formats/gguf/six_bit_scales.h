// How blocks of Q4_K and Q5_K begin: [d: f16][dmin: f16] and twelve bytes that hold eight scales
// and eight minimums of six bits.
//
// Byte j < 4: scale j, and bits 4..5 of scale j + 4 above it. Byte 4 + j: minimum j, and bits 4..5
// of minimum j + 4 above it. Byte 8 + j: low nibbles of scale j + 4 and, above it, of minimum j
// + 4. Source: get_scale_min_k4 of ggml; the Python package gguf.
#pragma once

#include "formats/gguf/blocks.h"

namespace farthing::gguf {

inline void get_six_bit_scales(const uint8_t* bytes, uint8_t* scales, uint8_t* minimums) {
  for (int j = 0; j < 4; ++j) {
    scales[j] = bytes[j] & 63;
    minimums[j] = bytes[4 + j] & 63;
    scales[j + 4] = static_cast<uint8_t>((bytes[8 + j] & 15) | (bytes[j] >> 2 & 48));
    minimums[j + 4] = static_cast<uint8_t>(bytes[8 + j] >> 4 | (bytes[4 + j] >> 2 & 48));
  }
}

inline void put_six_bit_scales(uint8_t* bytes, const int* scales, const int* minimums) {
  for (int j = 0; j < 4; ++j) {
    bytes[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] & 48) << 2);
    bytes[4 + j] = static_cast<uint8_t>(minimums[j] | (minimums[j + 4] & 48) << 2);
    bytes[8 + j] = static_cast<uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
}

// Of the block's k-th weight, which lies in one of eight groups of 32.
inline ElementScale six_bit_element_scale(const uint8_t* block, int k) {
  uint8_t scales[8], minimums[8];
  get_six_bit_scales(block + 4, scales, minimums);
  return {static_cast<float>(scales[k / 32]), static_cast<float>(minimums[k / 32]), half_at(block),
          -half_at(block + 2)};
}

// `found`: FoundRanges of eight parts (search/ranged_batch.h).
template <class Found>
void put_six_bit_header(uint8_t* block, const Found& found) {
  std::memcpy(block, &found.half, 2);
  std::memcpy(block + 2, &found.min_half, 2);
  put_six_bit_scales(block + 4, found.scales, found.minimums);
}

}  // namespace farthing::gguf
