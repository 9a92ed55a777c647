// How wide AutoAWQ's gemv makes the zero points and scales of a row.
#pragma once

#include <cstdint>

namespace farthing {

// The groups of a row with those that pad it: whole words of 8 zeros, in groups of 64 a multiple of
// 2 words, of 32 one of 4.
// Source: AutoAWQ, awq/modules/linear/gemv.py (calculate_zeros_width).
inline int64_t awq_gemv_groups(int64_t groups, int64_t group_size) {
  constexpr int64_t in_word = 8;
  const int64_t words = (groups + in_word - 1) / in_word;
  const int64_t multiple = group_size == 64 ? 2 : group_size == 32 ? 4 : 1;
  return (words + multiple - 1) / multiple * multiple * in_word;
}

}  // namespace farthing
