// Planes of outliers: filling, checking and putting them in place.
#include "formats/outliers.h"

#include <fmt/format.h>

#include <limits>

#include "base/check.h"

namespace farthing {
namespace {

constexpr int64_t most_short_columns = 65536;

Error bad_outliers(const std::string& where, std::string_view plane, std::string got,
                   std::string wanted) {
  return {.what = "the list of outliers is damaged",
          .where = fmt::format("{}.{}", where, plane),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "quantize the model again"};
}

template <class Column>
Result<> check_columns(const QuantizedTensor& q, const std::string& where, const int32_t* rows,
                       const Column* columns) {
  for (int64_t n = 0; n < q.n; ++n) {
    int64_t before = -1;
    for (int64_t i = rows[n]; i < rows[n + 1]; ++i) {
      const int64_t column = columns[i];
      if (column <= before || column >= q.k)
        return fail(bad_outliers(where, "outlier_columns", fmt::format("{} in row {}", column, n),
                                 fmt::format("columns from {} to {}", before + 1, q.k - 1)));
      before = column;
    }
  }
  return {};
}

}  // namespace

std::vector<PlaneSpec> outlier_planes(int64_t n, int64_t k) {
  return {{"outlier_rows", DType::i32, {n + 1}},
          {"outlier_columns", k > most_short_columns ? DType::i32 : DType::u16, {0}, true},
          {"outlier_values", DType::f16, {0}, true}};
}

float outlier_limit(ThreadPool& pool, const float* values, int64_t n, int64_t k, int64_t stride,
                    const float* penalty, float relative) {
  std::vector<double> sums(static_cast<size_t>(n));
  pool.run([&](Part part) {
    const auto rows = part.range(n);
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) {
        const auto w = static_cast<double>(values[i * stride + j]);
        sum += (penalty != nullptr ? static_cast<double>(penalty[j]) : 1.0) * (w * w);
      }
      sums[static_cast<size_t>(i)] = sum;
    }
  });
  double sum = 0;
  for (const double each : sums) sum += each;
  const double limit = static_cast<double>(relative) * sum / static_cast<double>(n * k);
  constexpr float most = std::numeric_limits<float>::max();  // of weights beyond it, none is larger
  return limit < static_cast<double>(most) ? static_cast<float>(limit) : most;
}

int64_t put_outliers(QuantizedTensor& q, std::span<const Outlier> ascending) {
  const auto first = static_cast<size_t>(q.format->outliers);
  const auto count = static_cast<int64_t>(ascending.size());
  CHECK(count <= std::numeric_limits<int32_t>::max());
  Tensor rows(DType::i32, {q.n + 1}), columns(q.planes[first + 1].dtype(), {count}),
      values(DType::f16, {count});
  int64_t at = 0, beyond = 0;
  for (int64_t n = 0; n < q.n; ++n) {
    for (; at < count && ascending[static_cast<size_t>(at)].n == n; ++at) {
      const Outlier& outlier = ascending[static_cast<size_t>(at)];
      const uint16_t half = f16_from_f32(outlier.value);
      beyond += (half & 0x7c00) == 0x7c00;
      values.as<uint16_t>()[at] = half;
      if (columns.dtype() == DType::u16) {
        columns.as<uint16_t>()[at] = static_cast<uint16_t>(outlier.k);
      } else {
        columns.as<int32_t>()[at] = static_cast<int32_t>(outlier.k);
      }
    }
    rows.as<int32_t>()[n + 1] = static_cast<int32_t>(at);
  }
  CHECK(at == count);
  q.planes[first] = std::move(rows);
  q.planes[first + 1] = std::move(columns);
  q.planes[first + 2] = std::move(values);
  return beyond;
}

Result<> check_outliers(const QuantizedTensor& q, const std::string& where) {
  if (!has_outliers(*q.format)) return {};
  const auto first = static_cast<size_t>(q.format->outliers);
  const int64_t count = outlier_count(q), columns = q.planes[first + 1].shape().elements();
  if (columns != count)
    return fail(bad_outliers(where, "outlier_columns", fmt::format("{} columns", columns),
                             fmt::format("{}, as there are values", count)));
  const int32_t* rows = q.planes[first].as<int32_t>();
  for (int64_t n = 0; n <= q.n; ++n) {
    const int64_t least = n == 0 ? 0 : rows[n - 1], most = n == 0 ? 0 : count;
    if (rows[n] < least || rows[n] > most || (n == q.n && rows[n] != count))
      return fail(bad_outliers(where, "outlier_rows", fmt::format("{} at {}", rows[n], n),
                               fmt::format("ascending numbers from 0 to {}", count)));
  }
  return q.planes[first + 1].dtype() == DType::u16
             ? check_columns(q, where, rows, q.planes[first + 1].as<uint16_t>())
             : check_columns(q, where, rows, q.planes[first + 1].as<int32_t>());
}

void patch_outliers(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
  for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride)
    each_outlier(q, n, tile.k0, tile.k1,
                 [&](int64_t k, float value) { values[k - tile.k0] = value; });
}

}  // namespace farthing
