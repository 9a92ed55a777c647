// What the batches of blocks have in common: up to sixteen sub-blocks, side by side in lanes, of
// one block or of two.
#pragma once

#include <xmmintrin.h>

#include "formats/gguf/search/block_searches.h"
#include "formats/scale_rule.h"

namespace farthing::gguf {

// Blocks of 256 in sub-blocks of n. A batch that is not full is searched with copies of its first
// block in the lanes that are left.
template <int n>
class Batch {
 public:
  static constexpr int parts = 256 / n, most = 16 / parts;

  bool full() const { return count_ == most; }

  // `weights` [256]: how much the squared error of each value of x [256] counts.
  void add(uint8_t* block, const float* x, const float* weights) {
    blocks_[count_] = block;
    put_lanes(x, count_, x_);
    put_lanes(weights, count_, w_);
    ++count_;
  }

 protected:
  void fill() {
    for (int lane = count_ * parts; lane < 16; ++lane)
      for (int i = 0; i < n; ++i) {
        x_[16 * i + lane] = x_[16 * i + lane % parts];
        w_[16 * i + lane] = w_[16 * i + lane % parts];
      }
  }
  // The codes of a block, of all codes as whole floats [n][16].
  static void get_codes(const float* codes, int block, uint8_t* to) {
    alignas(16) float values[256];
    for (int i = 0; i < n; i += 4)
      for (int p = 0; p < parts; p += 4)
        put_transposed(codes + 16 * i + block * parts + p, 16, values + p * n + i, n);
    for (int i = 0; i < 256; ++i) to[i] = static_cast<uint8_t>(static_cast<int>(values[i]));
  }

  uint8_t* blocks_[most];
  int count_ = 0;
  alignas(64) float x_[16 * n], w_[16 * n];

 private:
  // Four rows of four floats become columns.
  static void put_transposed(const float* from, int stride, float* to, int to_stride) {
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + stride),
           c = _mm_loadu_ps(from + 2 * stride), d = _mm_loadu_ps(from + 3 * stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_stride, b);
    _mm_storeu_ps(to + 2 * to_stride, c);
    _mm_storeu_ps(to + 3 * to_stride, d);
  }
  static void put_lanes(const float* values, int block, float* to) {
    for (int i = 0; i < n; i += 4)
      for (int p = 0; p < parts; p += 4)
        put_transposed(values + p * n + i, n, to + 16 * i + block * parts + p, 16);
  }
};

}  // namespace farthing::gguf
