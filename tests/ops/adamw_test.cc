// AdamW against torch.optim.AdamW (data/make_golden_adamw.py made the values), and the norm of a
// gradient.
#include "ops/adamw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

using Floats = std::vector<float>;

Floats golden(const std::string& name) {
  std::ifstream file(FARTHING_SOURCE_DIR "/tests/ops/data/golden_adamw.txt");
  Floats out;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    while (key == name && words >> word) out.push_back(std::strtof(word.c_str(), nullptr));
  }
  return out;
}

Floats normals(uint64_t stream, int64_t count, float scale = 1.0f) {
  Floats out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(scale * random_normal(11, stream, static_cast<uint64_t>(i)));
  return out;
}

struct State {
  Floats value, m, v;
};

AdamWParameters at_step(AdamWParameters p, int64_t step) {
  p.correction1 = bias_correction(p.beta1, step);
  p.correction2 = bias_correction(p.beta2, step);
  return p;
}

void step(Context& context, const AdamWParameters& p, const Floats& gradient, State& state,
          float gradient_scale = 1.0f) {
  ops::adamw_step(context, p, state.value, gradient, state.m, state.v, gradient_scale);
}

// The same in double, and for each element a bound of what roundings may do, in units of 2^-24.
struct Exact {
  std::vector<double> value, m, v, largest_gradient, value_error;

  void step(const AdamWParameters& p, const Floats& gradient) {
    for (size_t i = 0; i < value.size(); ++i) {
      const double g = gradient[i];
      m[i] += (1.0 - p.beta1) * (g - m[i]);
      v[i] = p.beta2 * v[i] + (1.0 - p.beta2) * g * g;
      const double denominator = std::sqrt(v[i] / p.correction2) + p.epsilon;
      const double step_size = p.learning_rate / p.correction1;
      largest_gradient[i] = std::max(largest_gradient[i], std::fabs(g));
      // of m 26 (below), of sqrt(v) 35, of the other operations 15 on both sides together, all of
      // the largest gradient; of the value two roundings on each side
      value_error[i] +=
          4 * std::fabs(value[i]) + step_size * 76 * largest_gradient[i] / denominator;
      value[i] =
          value[i] * (1.0 - p.learning_rate * p.weight_decay) - step_size * m[i] / denominator;
    }
  }
};

class AdamW : public testing::Test {
 protected:
  void expect_torchs_steps(const std::string& name, const AdamWParameters& parameters) {
    const int64_t n = 48;
    State state{normals(30, n), Floats(n), Floats(n)};
    const std::vector<double> zeros(n);
    Exact exact{{state.value.begin(), state.value.end()}, zeros, zeros, zeros, zeros};
    for (int64_t s = 1; s <= 10; ++s) {
      Floats gradient = normals(30 + static_cast<uint64_t>(s), n);
      gradient[0] = 0.0f;
      const AdamWParameters p = at_step(parameters, s);
      step(owner_.get(), p, gradient, state);
      exact.step(p, gradient);
      if (s != 1 && s != 10) continue;
      const Floats expected = golden(name + "_value_" + std::to_string(s));
      ASSERT_EQ(expected.size(), state.value.size());
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR(state.value[i], expected[i], exact.value_error[i] * 0x1p-24) << s << " " << i;
    }
    const Floats m = golden(name + "_m"), v = golden(name + "_v");
    ASSERT_TRUE(m.size() == state.m.size() && v.size() == state.v.size());
    for (size_t i = 0; i < m.size(); ++i) {
      // a step of m: its difference from g (twice the largest gradient, times 1 - beta1 <= 0.2) and
      // itself are rounded, by torch also their product: 2.6 gradients on both sides; ten steps. A
      // step of v: at most 3 roundings of positive terms here and 4 there, ten steps.
      EXPECT_NEAR(state.m[i], m[i], 26 * exact.largest_gradient[i] * 0x1p-24) << i;
      EXPECT_NEAR(state.v[i], v[i], 70 * exact.v[i] * 0x1p-24) << i;
    }
  }

  ContextOwner owner_{2, supported_isas().back()};
};

TEST_F(AdamW, TenStepsAgreeWithTorch) {
  expect_torchs_steps("default", {.weight_decay = 0.01});
  expect_torchs_steps(
      "decayed",
      {.learning_rate = 2e-2, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.5});
}

TEST_F(AdamW, TheGradientIsScaledFirst) {
  const int64_t n = 100;
  const Floats gradient = normals(2, n), quarter = normals(2, n, 0.25f);
  State scaled{normals(1, n), Floats(n), Floats(n)}, given = scaled;
  const AdamWParameters p = at_step({.weight_decay = 0.1}, 1);
  step(owner_.get(), p, gradient, scaled, 0.25f);
  step(owner_.get(), p, quarter, given);
  EXPECT_TRUE(scaled.value == given.value && scaled.m == given.m && scaled.v == given.v);
  EXPECT_NE(scaled.m, Floats(n));
}

TEST_F(AdamW, NeitherThreadsNorTheInstructionSetChangeTheBits) {
  const int64_t n = 5 * 4096 + 17;
  const auto run = [&](int threads, Isa isa) {
    ContextOwner owner(threads, isa);
    State state{normals(1, n), normals(2, n), normals(3, n)};
    for (float& v : state.v) v = std::fabs(v);
    step(owner.get(), at_step({}, 3), normals(4, n), state);
    return state;
  };
  const State one = run(1, Isa::portable);
  for (const Isa isa : supported_isas())
    for (int threads : {1, 2, 3}) {
      const State other = run(threads, isa);
      for (const auto part : {&State::value, &State::m, &State::v})
        EXPECT_EQ(std::memcmp((other.*part).data(), (one.*part).data(), n * sizeof(float)), 0)
            << threads << " on " << isa_name(isa);
    }
}

TEST(BiasCorrection, IsOneMinusAPower) {
  EXPECT_EQ(bias_correction(0.9, 1), 1.0 - 0.9);
  EXPECT_EQ(bias_correction(0.5, 3), 0.875);
  EXPECT_EQ(bias_correction(0.0, 1), 1.0);
  // a rounding for each multiplication
  EXPECT_NEAR(bias_correction(0.999, 1000), 1.0 - std::pow(0.999, 1000), 1001 * 0x1p-53);
  EXPECT_EQ(bias_correction(0.999, int64_t{1} << 40), 1.0);
}

TEST(SumOfSquares, AgreesWithTheExactSumForEveryLength) {
  ContextOwner owner(2, supported_isas().back());
  for (const int64_t n : {0, 1, 16, 17, 4095, 4096, 4097, 50000}) {
    const Floats x = normals(1, n, 1e-25f);  // squares in f32 would be 0
    long double exact = 0;
    for (float v : x) exact += static_cast<long double>(v) * v;
    // squares are exact; 256 additions in a lane, 4 of the tree, 13 of blocks
    EXPECT_NEAR(ops::sum_of_squares(owner.get(), x), static_cast<double>(exact),
                273 * 0x1p-53 * static_cast<double>(exact))
        << n;
  }
}

TEST(SumOfSquares, HasTheSameBitsOnAnyThreadsAndInstructionSet) {
  const Floats x = normals(1, 100003, 0.37f);  // squares of plain random_normal add up exactly
  ContextOwner owner(1, Isa::portable);
  const double one = ops::sum_of_squares(owner.get(), x);
  for (const Isa isa : supported_isas())
    for (int threads : {1, 2, 3}) {
      ContextOwner other(threads, isa);
      EXPECT_EQ(ops::sum_of_squares(other.get(), x), one) << threads << " on " << isa_name(isa);
    }
}

TEST(SumOfSquares, IsFiniteExactlyWhereEveryElementIs) {
  ContextOwner owner(1, supported_isas().back());
  Floats x(5000, 3.4e38f);
  EXPECT_TRUE(std::isfinite(ops::sum_of_squares(owner.get(), x)));
  for (const float bad : {INFINITY, -INFINITY, NAN})
    for (const size_t at : {0, 17, 4095, 4096, 4999}) {
      x[at] = bad;
      EXPECT_FALSE(std::isfinite(ops::sum_of_squares(owner.get(), x))) << at;
      x[at] = 0.0f;
    }
}

}  // namespace
}  // namespace farthing
