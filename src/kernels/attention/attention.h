// Kernels of causal attention over paged keys and values.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/attention/kv_codec.h"
#include "kernels/kernel_list.h"

namespace farthing {

inline constexpr int64_t kv_partition_positions = 256;
inline constexpr int64_t kv_partition_pages = kv_partition_positions / kv_page_positions;

// The pages of one layer's keys or values, seen from one kv head: page p begins at pages[p] +
// offset and is laid out as kv_codec.h says.
struct KvPages {
  const std::byte* const* pages;
  int64_t offset;
  KvCodec codec;
  float head_scale = 0;  // where the codec has scales of heads
};

// Floats of scratch memory in which a page is decoded.
constexpr int64_t decoded_page_floats(int64_t head_dim) {
  return kv_page_positions * head_dim + 16;
}

// The elements between rows of partial outputs: head_dim rounded up to whole vectors.
constexpr int64_t padded_head_dim(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

// Query rows of one kv head: `group` heads for each of consecutive tokens. Row r belongs to the
// token at first_position + r / group, which sees the keys from first_seen(r) to its own position.
struct AttentionRows {
  const float* q;  // [rows][head_dim]
  int64_t rows, group, first_position, head_dim;
  float scale;
  float softcap = 0;   // of the scaled scores: cap * tanh(score / cap); 0: none
  int64_t window = 0;  // a token sees so many keys, itself the last; 0: all

  constexpr int64_t first_seen(int64_t row) const {
    const int64_t first = first_position + row / group + 1 - window;
    return window == 0 || first < 0 ? 0 : first;
  }

  // The first row that sees a key at `position`.
  constexpr int64_t first_row_seeing(int64_t position) const {
    if (position <= first_position) return 0;
    const int64_t row = (position - first_position) * group;
    return row < rows ? row : rows;
  }
};

// Softmax of some keys without its division: max of the scores, sum of exp(score - max), and
// out [rows][padded_head_dim] = sum of exp(score - max) * value.
struct PartialAttention {
  float* max;
  float* sum;
  float* out;
};

// Each row's result is a function of its own query and the keys that it sees; how rows are put
// together is free.
struct AttentionFunctions {
  // The attention of `rows` to the keys of one partition (positions 256 p .. 256 p + 255), for the
  // rows that see one at all. score = (one FMA chain of q k in ascending d) * scale. sum: lane
  // (position mod 16) adds in ascending order, then sum_of_lanes. out: one FMA chain over ascending
  // positions. Keys and values are what the codec decodes. Keys that a row does not see add nothing
  // to its result; a row that sees none here has max -infinity, sum 0, out 0. scores: scratch of
  // [rows][256]; decoded: of decoded_page_floats().
  void (*attend)(const AttentionRows& rows, const KvPages& keys, const KvPages& values,
                 int64_t partition, float* scores, float* decoded,
                 const PartialAttention& to) noexcept;
  // Merges a partition into what the lower ones gave, for the rows from `row` on. M = max(m1, m2),
  // a = exp(m1 - M), b = exp(m2 - M); sum = fma(sum2, b, sum1 * a); out likewise. Where m1 is
  // -infinity the partition is taken as it is.
  void (*merge)(const PartialAttention& to, const PartialAttention& next, int64_t row, int64_t rows,
                int64_t head_dim) noexcept;
  // Replaces raw scores [count] by their softmax, those before `first` by 0; returns what is left
  // for the sink (null: none), 0 without. Writes up to 15 floats past the last.
  float (*weights)(float* scores, int64_t first, int64_t count, float scale, float softcap,
                   const float* sink) noexcept;
  // out[i] = 1 - tanh(score * scale / softcap)^2: what the soft cap makes of a raw score's
  // gradient. Writes up to 15 floats past the last.
  void (*softcap_slopes)(const float* scores, int64_t count, float scale, float softcap,
                         float* out) noexcept;
  // The first `positions` keys (transposed to [positions][head_dim]) or values of page `page`, as
  // the codec decodes them, for the backward pass.
  void (*decode_keys)(const KvPages& from, int64_t page, int64_t head_dim, int64_t positions,
                      float* out) noexcept;
  void (*decode_values)(const KvPages& from, int64_t page, int64_t head_dim, int64_t positions,
                        float* out) noexcept;
  // out[d] = from.out / from.sum of one row, d < head_dim. With a sink (null: none) M = max(max,
  // sink), a = exp(max - M), out[d] = (from.out * a) / fma(from.sum, a, exp(sink - M)).
  void (*finish)(const PartialAttention& from, int64_t row, int64_t head_dim, const float* sink,
                 float* out) noexcept;
};

using AttentionKernel = Kernel<AttentionFunctions>;
std::span<const AttentionKernel> attention_kernels();
const AttentionKernel& choose_attention_kernel(Isa isa);

}  // namespace farthing
