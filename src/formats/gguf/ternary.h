// The rule that TQ1_0 and TQ2_0 share: d is the largest magnitude, a code the nearest of -d, 0, d.
#pragma once

#include "formats/gguf/blocks.h"

namespace farthing::gguf {

// Codes 0, 1, 2 stand for -1, 0, 1; stores d at `half` and returns what there is to report. As in
// the package gguf: codes from the unrounded scale's reciprocal, ties away from zero.
inline EncodeReport encode_ternary(const float* x, const Extremes& e, uint8_t* half,
                                   uint8_t* codes) {
  const float d = put_half(half, e.amax());
  const float inverse = reciprocal(e.amax());  // 0: the block is flushed
  for (int i = 0; i < 256; ++i)
    codes[i] = static_cast<uint8_t>(1 + static_cast<int>(round_away(x[i] * inverse)));
  EncodeReport report;
  report.overflowed_scales = d - d != 0;
  report.zero_groups = e.amax() == 0;
  report.flushed_groups = e.amax() != 0 && d == 0;
  return report;
}

}  // namespace farthing::gguf
