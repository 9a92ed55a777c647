// Outliers: weights that a format stores apart from their codes, by rows (CSR).
//
// The last three planes of such a format (Format::outliers is the first of them):
//   outlier_rows     i32 [n + 1]: row i has the outliers from rows[i] to rows[i + 1]
//   outlier_columns  u16, i32 where k > 65536 [count]: ascending within a row
//   outlier_values   f16 [count]
// Value: the stored half takes the place of what the code stands for; nothing is added.
// Source: SpQR, arXiv 2306.03078, which stores the same.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "formats/format.h"

namespace farthing {

struct Outlier {
  int64_t n, k;
  float value;
};

// Relative to the mean of the columns' penalized mean squares: SpQR's own threshold.
inline constexpr float default_outlier_threshold = 0.2f;

std::vector<PlaneSpec> outlier_planes(int64_t n, int64_t k);
inline bool has_outliers(const Format& format) { return format.outliers >= 0; }
inline int64_t outlier_count(const QuantizedTensor& q) {
  return q.planes[static_cast<size_t>(q.format->outliers) + 2].shape().elements();
}

// What a penalized squared error must exceed to make an outlier: `relative` times the mean over
// columns of penalty[k] * (the mean square of column k). A null penalty is 1 everywhere. Added row
// by row in double: the same for any number of threads.
float outlier_limit(ThreadPool& pool, const float* values, int64_t n, int64_t k, int64_t stride,
                    const float* penalty, float relative);

// Replaces all outliers; `ascending` by row, then column. Returns how many a half cannot hold.
int64_t put_outliers(QuantizedTensor& q, std::span<const Outlier> ascending);

// Fails where planes that came from a file are no list of outliers: everything else in this file
// relies on it. Nothing to check where the format has none.
Result<> check_outliers(const QuantizedTensor& q, const std::string& where);

// use(k, value) for the outliers of row n in columns [k0, k1), ascending.
template <class Use>
void each_outlier(const QuantizedTensor& q, int64_t n, int64_t k0, int64_t k1, const Use& use) {
  const auto first = static_cast<size_t>(q.format->outliers);
  const int32_t* rows = q.planes[first].as<int32_t>();
  const Tensor& columns = q.planes[first + 1];
  const uint16_t* values = q.planes[first + 2].as<uint16_t>();
  const auto among = [&](const auto* all) {
    const auto* end = all + rows[n + 1];
    for (const auto* at = std::lower_bound(all + rows[n], end, k0); at != end && *at < k1; ++at)
      use(static_cast<int64_t>(*at), f32_from_f16(values[at - all]));
  };
  columns.dtype() == DType::u16 ? among(columns.as<uint16_t>()) : among(columns.as<int32_t>());
}

// Puts the outliers into a decoded tile.
void patch_outliers(const QuantizedTensor& q, Tile tile, float* values, int64_t stride);

}  // namespace farthing
