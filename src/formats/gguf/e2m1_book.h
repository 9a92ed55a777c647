// The sixteen codes of E2M1 as MXFP4 and NVFP4 blocks of GGUF have them: twice their value, so that
// they are whole numbers, under half the scale.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace farthing::gguf {

// Code 8 is plain zero, as in ggml.
inline constexpr std::array<int8_t, 16> e2m1_book = {0, 1,  2,  3,  4,  6,  8,  12,
                                                     0, -1, -2, -3, -4, -6, -8, -12};

// The code of the nearest number, halfway the one nearer to zero; what is beyond the ends takes the
// end.
inline uint8_t e2m1_code(float x) {
  const float m = std::fabs(x);
  const int magnitude =
      (m > 0.5f) + (m > 1.5f) + (m > 2.5f) + (m > 3.5f) + (m > 5.0f) + (m > 7.0f) + (m > 10.0f);
  return static_cast<uint8_t>(x < 0 && magnitude != 0 ? magnitude | 8 : magnitude);
}

}  // namespace farthing::gguf
