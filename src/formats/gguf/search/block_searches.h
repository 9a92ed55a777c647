// The inner loops of the searches for scales of GGUF's K types and IQ4: a table of functions for
// each instruction set, all with the same bits.
//
// Every function works on sixteen sub-blocks of n weights at once: x and w are [n][16], lane j
// being the j-th sub-block, and all other arrays [16], aligned to 64 bytes. Sums of a sub-block
// ascend along its n weights. `w`: how much a weight's squared error counts.
#pragma once

#include "base/cpu.h"

namespace farthing::gguf {

// Of values scale * level, for a choice of levels: those of the least squared error.
struct ScaleTrial {
  alignas(64) float scales[16];  // whole numbers s
  alignas(64) float fitted[16];  // the scale that fits the levels best
  alignas(64) float error[16];   // sum w r^2, r = x - d s level
  alignas(64) float along[16];   // sum w s level r
  alignas(64) float square[16];  // sum w (s level)^2
};

struct ScaledSearch {
  // The scale of either sign with the least error that was found.
  void (*fit)(const float* x, const float* w, float* scales) noexcept;
  // The best whole s in [low, high] of those at most `reach` beside the nearest to wanted / d.
  void (*refine)(const float* x, const float* w, const float* d, const float* wanted, float low,
                 float high, int reach, ScaleTrial& to) noexcept;
  // The code, a whole number, of the level nearest to each x / scale: [n][16].
  void (*codes)(const float* x, const float* scales, float* to) noexcept;
};

// Of values scale * code - minimum.
struct RangeTrial {
  alignas(64) float scales[16], minimums[16];  // whole numbers s and m
  alignas(64) float error[16];                 // sum w r^2, r = x - (d s code - dmin m)
  // sum w of: (s code)^2, s code m, m^2, s code r, m r
  alignas(64) float ss[16], sm[16], mm[16], sr[16], mr[16];
};

struct RangedSearch {
  // The scale and the minimum >= 0 with the least error that was found.
  void (*fit)(const float* x, const float* w, float* scales, float* minimums) noexcept;
  // The best whole s in 0..high of those at most `reach` beside the nearest to scale / d, each with
  // an m for its codes.
  void (*refine)(const float* x, const float* w, const float* d, const float* dmin,
                 const float* scales, const float* minimums, float high, int reach,
                 RangeTrial& to) noexcept;
  // The code nearest to each (x + minimum) / scale: [n][16].
  void (*codes)(const float* x, const float* scales, const float* minimums, float* to) noexcept;
};

struct BlockSearches {
  RangedSearch q2_k, q4_k, q5_k;
  ScaledSearch q3_k, q6_k, iq4;
};

extern const BlockSearches block_searches_portable, block_searches_avx2, block_searches_avx512;

// Of an instruction set that this machine can run.
const BlockSearches& block_searches(Isa isa);
// Of the set that the program uses (choose_isa); where that fails, the portable ones.
const BlockSearches& block_searches();

}  // namespace farthing::gguf
