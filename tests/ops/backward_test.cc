// Gradients of the operators over rows against central differences of forward functions in double;
// neither threads nor the instruction set change their bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "base/random.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/softmax.h"

namespace farthing {
namespace {

constexpr double unit = 0x1p-24;  // the relative error of one rounding to f32
constexpr double h = 0x1p-14;  // of central differences: their error is h^2 / 6 f''' = 2^-30.6 f'''
constexpr int64_t lengths[] = {1, 17, 288};

using Doubles = std::vector<double>;

Tensor normals(int64_t rows, int64_t columns, uint64_t stream, float scale = 1.0f) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = scale * random_normal(5, stream, static_cast<uint64_t>(i));
  return out;
}

Doubles row_of(const Tensor& tensor, int64_t r) {
  const auto rows = tensor.view<float>();
  return Doubles(rows.row(r), rows.row(r) + rows.columns);
}

// df / dx[i] at x.
double slope(const std::function<double(const Doubles&)>& f, Doubles x, int64_t i) {
  const double at = x[i];
  x[i] = at + h;
  const double above = f(x);
  x[i] = at - h;
  return (above - f(x)) / (2 * h);
}

class Backward : public testing::Test {
 protected:
  ContextOwner owner_{2, supported_isas().back()};
  Context& context_ = owner_.get();
};

TEST_F(Backward, RmsNormAgreesWithDifferences) {
  // large enough that r <= 10 bounds the third derivative even where n = 1
  const float eps = 1e-2f;
  const int64_t m = 3;
  for (const int64_t n : lengths) {
    const Tensor x = normals(m, n, 1), from = normals(m, n, 2);
    const Tensor gain = normals(1, n, 3).reshaped({n}), before = normals(m, n, 4);
    const Tensor gain_before = normals(1, n, 5).reshaped({n});
    Tensor x_gradient = normals(m, n, 4), gain_gradient = normals(1, n, 5).reshaped({n});
    ops::rms_norm_backward(context_, x.view<float>(), gain, 0.0f, eps, from.view<float>(),
                           x_gradient.view<float>(), &gain_gradient);
    const Doubles g(gain.as<float>(), gain.as<float>() + n);
    const auto inverse = [&](const Doubles& row) {
      double squares = 0;
      for (double v : row) squares += v * v;
      return 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
    };
    // Roundings, in units: each sum passes `adds` additions; r has half of that and 5; h one more;
    // the product of r, h and the mean of t h has three times r's, `adds`, and 12.
    const double adds = static_cast<double>((n + 15) / 16 + 4), of_r = adds / 2 + 5,
                 all = 3 * of_r + adds + 12;
    for (int64_t r = 0; r < m; ++r) {
      const Doubles row = row_of(x, r), dy = row_of(from, r);
      const double scale = inverse(row);
      double total = 0;
      for (int64_t i = 0; i < n; ++i) total += std::fabs(g[i] * dy[i] * row[i] * scale);
      const auto loss = [&](const Doubles& at) {
        const double s = inverse(at);
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += dy[i] * g[i] * at[i] * s;
        return sum;
      };
      for (int64_t i = 0; i < n; ++i) {
        const double size = scale * (std::fabs(g[i] * dy[i]) +
                                     std::fabs(row[i]) * scale * total / static_cast<double>(n));
        // |f'''| <= 24 r^2 size, so the difference errs by up to 2^-26 r^2 size; its own sums of n
        // terms in double by n 2^-53 of their magnitudes over h
        const double start = before.view<float>().row(r)[i];
        EXPECT_NEAR(x_gradient.view<float>().row(r)[i], start + slope(loss, row, i),
                    (all + scale * scale / 4) * unit * size + unit * std::fabs(start) +
                        static_cast<double>(n) * 0x1p-53 * total / h)
            << n << " " << r << " " << i;
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0, size = 0;  // linear in the gain: the difference is the product itself
      for (int64_t r = 0; r < m; ++r) {
        const Doubles row = row_of(x, r);
        const double term = row_of(from, r)[i] * row[i] * inverse(row);
        sum += term, size += std::fabs(term);
      }
      const double start = gain_before.as<float>()[i];
      EXPECT_NEAR(gain_gradient.as<float>()[i], start + sum,
                  (of_r + 1 + m + 1) * unit * size + unit * std::fabs(start));
    }
  }
}

TEST_F(Backward, RmsNormWithoutAGainGradientLeavesTheSameInputGradient) {
  const Tensor x = normals(3, 50, 1), from = normals(3, 50, 2);
  const Tensor gain = normals(1, 50, 3).reshaped({50});
  Tensor with(DType::f32, {3, 50}), without(DType::f32, {3, 50}), of_gain(DType::f32, {50});
  const auto run = [&](Tensor& out, Tensor* gain_gradient) {
    ops::rms_norm_backward(context_, x.view<float>(), gain, 0.0f, 1e-5f, from.view<float>(),
                           out.view<float>(), gain_gradient);
  };
  run(with, &of_gain);
  run(without, nullptr);
  EXPECT_EQ(std::memcmp(with.data(), without.data(), static_cast<size_t>(with.bytes())), 0);
}

double silu(double g) { return g / (1.0 + std::exp(-g)); }

TEST_F(Backward, SwigluAgreesWithDifferences) {
  for (const int64_t n : lengths) {
    for (const float scale : {1.0f, 15.0f}) {
      const Tensor up = normals(2, n, 2), from = normals(2, n, 3);
      Tensor gate = normals(2, n, 1, scale);  // clamped where exp(-abs(g)) is still normal
      for (int64_t i = 0; i < 2 * n; ++i)
        gate.as<float>()[i] = std::clamp(gate.as<float>()[i], -85.0f, 85.0f);
      Tensor of_gate = normals(2, n, 4), of_up = normals(2, n, 5);
      ops::swiglu_backward(context_, gate.view<float>(), up.view<float>(), from.view<float>(),
                           of_gate.view<float>(), of_up.view<float>());
      const Tensor gate_before = normals(2, n, 4), up_before = normals(2, n, 5);
      for (int64_t i = 0; i < 2 * n; ++i) {
        const double g = gate.as<float>()[i], u = up.as<float>()[i], dy = from.as<float>()[i];
        const auto loss = [&](const Doubles& at) { return dy * silu(at[0]) * at[1]; };
        // s and 1 - s: 4 units each (exp 2, sum, quotient); 1 + g (1 - s) two more products and
        // sums; the products with s, up, dy and the last sum: 15 of s (1 + |g| (1 - s)), which also
        // bounds the third derivative, (3 + |g|) s (1 - s), and so holds the difference's error
        const double s = 1.0 / (1.0 + std::exp(-g)), c = 1.0 / (1.0 + std::exp(g));
        const double size = std::fabs(dy * u) * s * (1.0 + std::fabs(g) * c);
        const double gate_start = gate_before.as<float>()[i], up_start = up_before.as<float>()[i];
        EXPECT_NEAR(of_gate.as<float>()[i], gate_start + slope(loss, {g, u}, 0),
                    16 * unit * size + unit * std::fabs(gate_start))
            << g;
        // silu errs by 2.61 ulp (docs/numerics.md): 6 units, and the product's sum
        EXPECT_NEAR(of_up.as<float>()[i], up_start + slope(loss, {g, u}, 1),
                    8 * unit * std::fabs(dy * silu(g)) + unit * std::fabs(up_start))
            << g;
      }
    }
  }
}

TEST_F(Backward, SwigluIsFiniteAndExactForHugeGates) {
  const float gates[] = {3e38f, 1000.0f, 105.0f, -105.0f, -1000.0f, -3e38f, 0.0f, -0.0f};
  const float slopes[] = {1.0f, 1.0f, 1.0f, 0.0f, 0.0f, 0.0f, 0.5f, 0.5f};
  Tensor gate(DType::f32, {1, 8}), ones(DType::f32, {1, 8});
  Tensor of_gate(DType::f32, {1, 8}), of_up(DType::f32, {1, 8});
  std::copy_n(gates, 8, gate.as<float>());
  std::fill_n(ones.as<float>(), 8, 1.0f);
  ops::swiglu_backward(context_, gate.view<float>(), ones.view<float>(), ones.view<float>(),
                       of_gate.view<float>(), of_up.view<float>());
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(of_gate.as<float>()[i], slopes[i]) << gates[i];
    EXPECT_EQ(of_up.as<float>()[i], gates[i] > 0 ? gates[i] : 0.0f) << gates[i];
  }
}

TEST_F(Backward, RopeAgreesWithDifferences) {
  const std::vector<int32_t> positions = {7, 0, 1000, 7};
  for (const int64_t head_dim : {2, 16, 34, 96}) {
    const int64_t half = head_dim / 2, n = 3 * head_dim;
    RopeTable table({}, head_dim);
    Tensor gradient = normals(4, n, 1);
    const Tensor from = normals(4, n, 1), x = normals(4, n, 2);
    ops::rope_backward(context_, table, positions, head_dim, gradient.view<float>());
    for (int64_t r = 0; r < 4; ++r) {
      const float *cos = table.cos(positions[r]), *sin = table.sin(positions[r]);
      const Doubles dy = row_of(from, r);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t first = i - i % head_dim;
        const auto loss = [&](const Doubles& at) {
          double sum = 0;
          for (int64_t p = 0; p < half; ++p) {
            const double a = at[first + p], b = at[first + p + half];
            sum += dy[first + p] * (a * cos[p] - b * sin[p]) +
                   dy[first + p + half] * (b * cos[p] + a * sin[p]);
          }
          return sum;
        };
        // below 6 in magnitude: a product's rounding and the sum's, 6 sqrt(2) each; 96 terms in
        // double below 36, over h
        EXPECT_NEAR(gradient.view<float>().row(r)[i], slope(loss, row_of(x, r), i),
                    2 * 6 * 1.5 * unit + 96 * 96 * 36 * 0x1p-53 / h)
            << head_dim << " " << r << " " << i;
      }
    }
  }
}

TEST_F(Backward, RowsMayComeInAnyOrderOfPositions) {
  RopeTable table({}, 32);
  const Tensor x = normals(3, 64, 1);
  Tensor together = normals(3, 64, 1);
  const std::vector<int32_t> positions = {900, 3, 40};
  ops::rope_forward(context_, table, positions, 32, together.view<float>());
  for (int64_t r = 0; r < 3; ++r) {
    Tensor alone(DType::f32, {1, 64});
    std::copy_n(x.view<float>().row(r), 64, alone.as<float>());
    ops::rope_forward(context_, table, {&positions[static_cast<size_t>(r)], 1}, 32,
                      alone.view<float>());
    EXPECT_EQ(std::memcmp(alone.data(), together.view<float>().row(r), 64 * sizeof(float)), 0) << r;
  }
}

TEST_F(Backward, EmbeddingAddsRowsOfATokenInAscendingOrder) {
  for (const int64_t k : lengths) {
    const std::vector<int32_t> tokens = {4, 0, 4, 2, 4, 0};
    // scaled, since sums of plain random_normal are exact in any order
    const Tensor from = normals(6, k, 1, 0.37f);
    Tensor gradient = normals(5, k, 2), expected = normals(5, k, 2);
    ops::embedding_backward(context_, tokens, from.view<float>(), gradient.view<float>());
    for (size_t r = 0; r < tokens.size(); ++r)
      for (int64_t i = 0; i < k; ++i)
        expected.view<float>().row(tokens[r])[i] +=
            from.view<float>().row(static_cast<int64_t>(r))[i];
    EXPECT_EQ(std::memcmp(gradient.data(), expected.data(), static_cast<size_t>(gradient.bytes())),
              0)
        << k;
  }
}

TEST_F(Backward, CrossEntropyAgreesWithDifferences) {
  for (const int64_t n : {1, 17, 288, 1100}) {
    const Tensor logits = normals(2, n, 1, 3.0f);
    Tensor gradient(DType::f32, {2, n});
    const std::vector<int32_t> targets = {0, static_cast<int32_t>(n - 1)};
    const std::vector<float> weights = {1.0f, -0.3f};
    ops::cross_entropy_backward(context_, logits.view<float>(), targets, weights,
                                gradient.view<float>());
    for (int64_t r = 0; r < 2; ++r) {
      const Doubles row = row_of(logits, r);
      const double largest = *std::max_element(row.begin(), row.end()),
                   depth = largest - *std::min_element(row.begin(), row.end()), w = weights[r];
      const auto log_sum = [&](const Doubles& at) {
        double sum = 0;
        for (double v : at) sum += std::exp(v - largest);
        return largest + std::log(sum);
      };
      const double whole = log_sum(row);
      for (int64_t i = 0; i < n; ++i) {
        const auto loss = [&](const Doubles& at) { return w * (log_sum(at) - at[targets[r]]); };
        // x - max errs by `depth` units and exp by 2, in p and in the sum, whose terms pass 64 + 2
        // + 4 additions; quotient, difference, product. |f'''| <= p. The difference's logarithm and
        // logits are below 32 in double.
        const double p = std::exp(row[i] - whole), one = i == targets[r] ? 1.0 : 0.0;
        EXPECT_NEAR(
            gradient.view<float>().row(r)[i], slope(loss, row, i),
            std::fabs(w) * (unit * (p * (2 * depth + 4 + 70 + 3) + 2 * one) + 4 * 32 * 0x1p-53 / h))
            << n << " " << r << " " << i;
      }
    }
  }
}

TEST_F(Backward, CrossEntropyOfIgnoredRowsIsZero) {
  Tensor logits = normals(3, 40, 1), gradient = normals(3, 40, 2);
  logits.view<float>().row(1)[3] = logits.view<float>().row(0)[5] = NAN;
  const std::vector<int32_t> targets = {-1, 7, 39};
  const std::vector<float> weights = {1.0f, 0.0f, 0.5f};
  ops::cross_entropy_backward(context_, logits.view<float>(), targets, weights,
                              gradient.view<float>());
  for (int64_t i = 0; i < 80; ++i) EXPECT_EQ(gradient.as<float>()[i], 0.0f) << i;
  EXPECT_LT(gradient.view<float>().row(2)[39], 0.0f);
}

TEST_F(Backward, CrossEntropyLossesAreNegatedLogProbabilities) {
  const Tensor logits = normals(4, 300, 1, 3.0f);
  const std::vector<int32_t> targets = {0, -1, 299, 17};
  std::vector<float> losses(4), log_probabilities(4);
  ops::cross_entropy_forward(context_, logits.view<float>(), targets, losses);
  ops::token_log_probabilities(context_, logits.view<float>(), std::vector<int32_t>{0, 1, 299, 17},
                               log_probabilities);
  for (size_t r : {0, 2, 3}) EXPECT_EQ(losses[r], -log_probabilities[r]) << r;
  EXPECT_EQ(losses[1], 0.0f);
}

// Every gradient on 37 rows, large enough that threads share them.
std::vector<Tensor> everything(int threads, Isa isa) {
  const int64_t m = 37, n = 1000;
  ContextOwner owner(threads, isa);
  Context& context = owner.get();
  const Tensor x = normals(m, n, 1, 2.0f), y = normals(m, n, 2), from = normals(m, n, 3);
  const Tensor gain = normals(1, n, 4).reshaped({n});
  std::vector<int32_t> tokens;
  for (int32_t r = 0; r < m; ++r) tokens.push_back(r * r % 11);
  std::vector<Tensor> out;
  for (uint64_t i = 0; i < 6; ++i) out.push_back(normals(m, n, 10 + i));
  Tensor of_gain = normals(1, n, 20).reshaped({n}), losses(DType::f32, {m});
  ops::rms_norm_backward(context, x.view<float>(), gain, 0.0f, 1e-6f, from.view<float>(),
                         out[0].view<float>(), &of_gain);
  ops::swiglu_backward(context, x.view<float>(), y.view<float>(), from.view<float>(),
                       out[1].view<float>(), out[2].view<float>());
  RopeTable table({}, 50);
  ops::rope_backward(context, table, tokens, 50, out[3].view<float>());
  ops::embedding_backward(context, tokens, from.view<float>(), out[4].view<float>());
  tokens[5] = -1;
  ops::cross_entropy_forward(context, x.view<float>(), tokens,
                             {losses.as<float>(), static_cast<size_t>(m)});
  ops::cross_entropy_backward(context, x.view<float>(), tokens, {gain.as<float>(), tokens.size()},
                              out[5].view<float>());
  out.push_back(of_gain);
  out.push_back(losses);
  return out;
}

TEST(BackwardBits, NeitherThreadsNorTheInstructionSetChangeThem) {
  const auto one = everything(1, Isa::portable);
  for (const Isa isa : supported_isas()) {
    for (int threads : {1, 2, 3}) {
      const auto other = everything(threads, isa);
      for (size_t i = 0; i < one.size(); ++i)
        EXPECT_EQ(std::memcmp(other[i].data(), one[i].data(), static_cast<size_t>(one[i].bytes())),
                  0)
            << i << " with " << threads << " on " << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace farthing
