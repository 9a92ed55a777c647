// The twelve bytes of Q4_K and Q5_K that hold eight scales and eight minimums of six bits.
//
// Byte j < 4: scale j, and bits 4..5 of scale j + 4 above it. Byte 4 + j: minimum j, and bits 4..5
// of minimum j + 4 above it. Byte 8 + j: low nibbles of scale j + 4 and, above it, of minimum j
// + 4. Source: get_scale_min_k4 of ggml; the Python package gguf.
#pragma once

#include <cstdint>

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

}  // namespace farthing::gguf
