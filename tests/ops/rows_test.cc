// Facts about the operators over rows: threads do not change bits, and what each computes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/softmax.h"

namespace farthing {
namespace {

Tensor normals(int64_t rows, int64_t columns, uint64_t stream, float scale = 1.0f) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = scale * random_normal(5, stream, static_cast<uint64_t>(i));
  return out;
}

Tensor copy_of(const Tensor& tensor) {
  Tensor out(tensor.dtype(), tensor.shape());
  std::memcpy(out.data(), tensor.data(), static_cast<size_t>(tensor.bytes()));
  return out;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

std::vector<int32_t> positions_from(int32_t first, int64_t count) {
  std::vector<int32_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), first);
  return out;
}

// Every operator on 37 rows, large enough that threads share them.
std::vector<Tensor> everything(int threads) {
  const int64_t m = 37, n = 1000;
  ContextOwner owner(threads, supported_isas().back());
  Context& context = owner.get();
  const Tensor x = normals(m, n, 1), y = normals(m, n, 2), gain_row = normals(1, n, 3);
  Tensor gain(DType::f32, {n});
  std::copy_n(gain_row.as<float>(), n, gain.as<float>());
  std::vector<Tensor> out;
  const auto next = [&] { return out.emplace_back(DType::f32, Shape{m, n}).view<float>(); };
  ops::rms_norm_forward(context, x.view<float>(), gain, 0.0f, 1e-6f, next());
  ops::swiglu_forward(context, x.view<float>(), y.view<float>(), next());
  ops::log_softmax_forward(context, x.view<float>(), next());
  out.push_back(copy_of(x));
  ops::add_forward(context, out.back().view<float>(), y.view<float>());
  out.push_back(copy_of(x));
  RopeTable table({}, 50);
  ops::rope_forward(context, table, positions_from(1000, m), 50, out.back().view<float>());
  Tensor kl(DType::f32, {m});
  ops::kl_divergence_rows(context, x.view<float>(), y.view<float>(),
                          {kl.as<float>(), static_cast<size_t>(m)});
  out.push_back(kl);
  return out;
}

TEST(RowOperators, ThreadsDoNotChangeTheBits) {
  const auto one = everything(1);
  for (int threads : {2, 3}) {
    const auto many = everything(threads);
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(same_bits(many[i], one[i])) << i << " with " << threads;
  }
}

TEST(Softmax, LogProbabilitiesAgreeWithDouble) {
  ContextOwner owner(1, supported_isas().back());
  const int64_t n = 49152;
  const Tensor x = normals(2, n, 1, 3.0f);
  Tensor out(DType::f32, {2, n});
  ops::log_softmax_forward(owner.get(), x.view<float>(), out.view<float>());
  for (int64_t r = 0; r < 2; ++r) {
    const float* row = x.view<float>().row(r);
    double sum = 0;
    const double largest = *std::max_element(row, row + n);
    for (int64_t i = 0; i < n; ++i) sum += std::exp(row[i] - largest);
    for (int64_t i = 0; i < n; ++i) {
      // the sum: exp and its argument 3 units of 2^-24, 64 additions in a lane, 48 of blocks, 4 of
      // the tree: 119, so much absolutely in the logarithm, its rounding, and two roundings of
      // results below 64 in magnitude: 2 * 32
      EXPECT_NEAR(out.view<float>().row(r)[i], row[i] - largest - std::log(sum),
                  (119 + 8 + 64) * 0x1p-24);
    }
  }
}

TEST(Softmax, TokenLogProbabilitiesHaveTheBitsOfTheWholeRow) {
  ContextOwner owner(2, supported_isas().back());
  const Tensor x = normals(5, 700, 1, 3.0f);
  Tensor all(DType::f32, {5, 700});
  ops::log_softmax_forward(owner.get(), x.view<float>(), all.view<float>());
  const std::vector<int32_t> tokens = {0, 699, 5, 16, 350};
  std::vector<float> out(5);
  ops::token_log_probabilities(owner.get(), x.view<float>(), tokens, out);
  for (int r = 0; r < 5; ++r) EXPECT_EQ(out[r], all.view<float>().row(r)[tokens[r]]) << r;
}

TEST(Softmax, KlDivergenceAgreesWithDoubleAndIsZeroOfEqualRows) {
  ContextOwner owner(1, supported_isas().back());
  const int64_t n = 5000;
  const Tensor p = normals(1, n, 1, 3.0f), noise = normals(1, n, 2, 0.1f);
  Tensor q = copy_of(p);
  for (int64_t i = 0; i < n; ++i) q.as<float>()[i] += noise.as<float>()[i];
  double sum_p = 0, sum_q = 0, exact = 0, size = 0;
  for (int64_t i = 0; i < n; ++i)
    sum_p += std::exp(p.as<float>()[i]), sum_q += std::exp(q.as<float>()[i]);
  for (int64_t i = 0; i < n; ++i) {
    const double log_p = p.as<float>()[i] - std::log(sum_p),
                 log_q = q.as<float>()[i] - std::log(sum_q);
    exact += std::exp(log_p) * (log_p - log_q);
    size += std::exp(log_p) * std::fabs(log_p - log_q);
  }
  float kl = -1;
  ops::kl_divergence_rows(owner.get(), p.view<float>(), q.view<float>(), {&kl, 1});
  // each log-probability errs by 0.5 units of a number below 32 (2^-20) and by its sum (100 2^-24 <
  // 2^-17); the terms' own roundings are relative to their magnitudes
  EXPECT_NEAR(kl, exact, 2 * (0x1p-19 + 0x1p-17) + size * 90 * 0x1p-24);
  ops::kl_divergence_rows(owner.get(), p.view<float>(), p.view<float>(), {&kl, 1});
  EXPECT_EQ(kl, 0.0f);
}

TEST(Softmax, KlDivergenceLeavesOutTokensThatAreImpossibleUnderP) {
  ContextOwner owner(1, supported_isas().back());
  Tensor p = normals(1, 40, 1), q = normals(1, 40, 2);
  p.as<float>()[7] = -INFINITY;
  q.as<float>()[7] = -INFINITY;
  float kl = -1;
  ops::kl_divergence_rows(owner.get(), p.view<float>(), q.view<float>(), {&kl, 1});
  EXPECT_TRUE(std::isfinite(kl));
}

TEST(Softmax, ArgmaxOfRows) {
  ContextOwner owner(1, supported_isas().back());
  Tensor x = normals(3, 100, 1);
  x.view<float>().row(0)[99] = x.view<float>().row(1)[0] = x.view<float>().row(2)[50] = 9.0f;
  std::vector<int32_t> best(3);
  ops::argmax_rows(owner.get(), x.view<float>(), best);
  EXPECT_EQ(best, (std::vector<int32_t>{99, 0, 50}));
}

TEST(Rope, ATableThatGrewEqualsOneThatWasReserved) {
  RopeTable grown({.theta = 500000.0, .scaling = RopeScaling::llama3, .factor = 8.0}, 64),
      reserved = grown;
  for (int64_t n : {1, 7, 100, 1000}) grown.reserve(n);
  reserved.reserve(1000);
  ASSERT_EQ(grown.positions(), 1000);
  EXPECT_EQ(std::memcmp(grown.cos(0), reserved.cos(0), 1000 * 32 * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(grown.sin(0), reserved.sin(0), 1000 * 32 * sizeof(float)), 0);
}

TEST(Rope, RotationKeepsTheLengthOfAPair) {
  ContextOwner owner(1, supported_isas().back());
  const Tensor x = normals(4, 64, 1);
  Tensor rotated = copy_of(x);
  RopeTable table({}, 32);
  ops::rope_forward(owner.get(), table, positions_from(12345, 4), 32, rotated.view<float>());
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t i : {0, 7, 15, 32, 47}) {
      const float *a = x.view<float>().row(r), *b = rotated.view<float>().row(r);
      const double before = std::hypot(a[i], a[i + 16]), after = std::hypot(b[i], b[i + 16]);
      // sine and cosine within half a unit, three roundings
      EXPECT_NEAR(after, before, before * 5 * 0x1p-24);
      EXPECT_NE(a[i], b[i]);
    }
}

TEST(Embedding, RowsAreThoseOfTheDecodedTable) {
  ContextOwner owner(2, supported_isas().back());
  const int64_t vocabulary = 50, k = 64;
  const Tensor table = normals(vocabulary, k, 1);
  const std::vector<int32_t> tokens = {49, 0, 7, 7, 31};
  for (const Format& format : all_formats()) {
    if (k % format.block != 0) continue;
    QuantizedTensor q = QuantizedTensor::allocate(format, vocabulary, k);
    q.encode(table.as<float>(), k,
             format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
    Tensor out(DType::f32, {5, k});
    ops::embedding_forward(owner.get(), q, tokens, out.view<float>());
    const Tensor decoded = q.decode();
    for (size_t r = 0; r < tokens.size(); ++r)
      EXPECT_EQ(std::memcmp(out.view<float>().row(r), decoded.view<float>().row(tokens[r]),
                            k * sizeof(float)),
                0)
          << format.name << " " << r;
  }
}

TEST(Embedding, DenseTablesOfEachType) {
  ContextOwner owner(1, supported_isas().back());
  const int64_t k = 24;
  const Tensor table = normals(10, k, 1);
  Tensor half(DType::f16, {10, k}), brain(DType::bf16, {10, k});
  for (int64_t i = 0; i < 10 * k; ++i) {
    half.as<uint16_t>()[i] = f16_from_f32(table.as<float>()[i]);
    brain.as<uint16_t>()[i] = bf16_from_f32(table.as<float>()[i]);
  }
  const std::vector<int32_t> tokens = {9, 3};
  for (const Tensor* stored :
       {&table, static_cast<const Tensor*>(&half), static_cast<const Tensor*>(&brain)}) {
    Tensor out(DType::f32, {2, k});
    ops::embedding_forward(owner.get(), *stored, tokens, out.view<float>());
    const Tensor dense = to_f32(*stored);
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t i = 0; i < k; ++i)
        EXPECT_EQ(out.view<float>().row(r)[i], dense.view<float>().row(tokens[r])[i]);
  }
}

}  // namespace
}  // namespace farthing
