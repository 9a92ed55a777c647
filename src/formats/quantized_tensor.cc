// QuantizedTensor: its memory, encoding a whole matrix on threads, and decoding it.
#include <mutex>
#include <numeric>

#include "base/check.h"
#include "base/rehearsal.h"
#include "formats/format.h"

namespace farthing {

QuantizedTensor QuantizedTensor::allocate(const Format& format, int64_t n, int64_t k,
                                          DType scale_dtype) {
  CHECK(k % format.block == 0);
  QuantizedTensor q{&format, n, k, scale_dtype, {}};
  for (const PlaneSpec& plane : format.planes(n, k, scale_dtype))
    q.planes.emplace_back(plane.dtype, plane.shape);
  return q;
}

int64_t QuantizedTensor::bytes() const {
  int64_t sum = 0;
  for (const Tensor& plane : planes) sum += plane.bytes();
  return sum;
}

Tensor QuantizedTensor::decode() const {
  Tensor out(DType::f32, {n, k});
  if (!rehearsing()) format->decode_tile(*this, {0, n, 0, k}, out.as<float>(), k);
  return out;
}

int64_t rows_of_tile(const Format& format, int64_t k) {
  const ScaleBlock& block = format.scale_block;
  if (block.flat) return block.columns / std::gcd(block.columns, k);
  return block.rows == 0 ? 1 : block.rows;
}

namespace {

// encode(tile, values) for all rows, on threads.
template <class Encode>
EncodeReport encode_rows(const QuantizedTensor& q, ThreadPool& pool, const float* values,
                         int64_t stride, const Encode& encode) {
  EncodeReport report;
  // 16 rows begin at a whole byte, whatever k.
  const int64_t grain = std::lcm(int64_t{16}, rows_of_tile(*q.format, q.k));
  std::mutex mutex;
  pool.run([&](Part part) {
    const auto rows = part.range(q.n, grain);
    if (rows.begin == rows.end) return;
    const EncodeReport mine =
        encode(Tile{rows.begin, rows.end, 0, q.k}, values + rows.begin * stride);
    const std::lock_guard lock(mutex);
    report += mine;  // whole numbers: the order does not matter
  });
  return report;
}

}  // namespace

EncodeReport QuantizedTensor::encode(ThreadPool& pool, const float* values, int64_t stride,
                                     ScaleRule rule) {
  EncodeReport report;
  if (format->prepare != nullptr) report = format->prepare(*this, pool, values, stride, rule);
  report += encode_rows(*this, pool, values, stride, [&](Tile tile, const float* of_tile) {
    return format->encode_tile(*this, tile, of_tile, stride, rule);
  });
  return report;
}

EncodeReport QuantizedTensor::encode_searched(ThreadPool& pool, const float* values, int64_t stride,
                                              ScaleRule rule, const float* importance) {
  if (format->search_tile == nullptr) return encode(pool, values, stride, rule);
  EncodeReport report;
  if (format->prepare != nullptr) report = format->prepare(*this, pool, values, stride, rule);
  report += encode_rows(*this, pool, values, stride, [&](Tile tile, const float* of_tile) {
    return format->search_tile(*this, tile, of_tile, stride, rule, importance);
  });
  return report;
}

EncodeReport QuantizedTensor::encode_with_outliers(ThreadPool& pool, const float* values,
                                                   int64_t stride, ScaleRule rule,
                                                   const float* importance, float limit) {
  CHECK(format->find_outliers != nullptr && format->search_tile != nullptr);
  EncodeReport report = format->find_outliers(*this, pool, values, stride, importance, limit);
  report += encode_rows(*this, pool, values, stride, [&](Tile tile, const float* of_tile) {
    return format->search_tile(*this, tile, of_tile, stride, rule, importance);
  });
  return report;
}

EncodeReport QuantizedTensor::encode(const float* values, int64_t stride, ScaleRule rule) {
  ThreadPool alone(1);
  return encode(alone, values, stride, rule);
}

}  // namespace farthing
