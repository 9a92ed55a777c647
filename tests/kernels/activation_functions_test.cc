// Activation functions, soft caps and layer norm: equal bits on every instruction set, and their
// values and slopes against double.
#include "kernels/activation_functions/activation_functions.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/row_kernels.h"

namespace farthing {
namespace {

constexpr float canary = 12345.0f;
constexpr ActivationFunction functions[] = {ActivationFunction::silu, ActivationFunction::gelu,
                                            ActivationFunction::gelu_tanh,
                                            ActivationFunction::relu};

// Both kernels' outputs of one row, a canary behind them.
template <class Kernel, class Run>
void expect_same_bits(const Kernel& kernel, const Kernel& portable, int64_t n, const char* what,
                      const Run& run) {
  std::vector<float> out = random_row(n + 1, 9), expected;
  out.back() = canary;
  expected = out;
  run(kernel, out.data());
  run(portable, expected.data());
  make_nans_equal(out);
  make_nans_equal(expected);
  EXPECT_TRUE(same_bits(out, expected)) << what << " " << n;
}

TEST(ActivationFunctions, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(
      activation_function_kernels(), [](const auto& kernel, const auto& portable) {
        for (const int64_t n : row_lengths()) {
          const auto x = hard_row(n, 1, true), gradient = random_row(n, 2);
          for (const ActivationFunction f : functions) {
            expect_same_bits(kernel, portable, n, "value",
                             [&](const auto& k, float* out) { k->apply(f, x.data(), n, out); });
            expect_same_bits(kernel, portable, n, "slope", [&](const auto& k, float* out) {
              k->backward(f, x.data(), gradient.data(), n, out);
            });
          }
        }
      });
}

TEST(ElementwiseKernels, ProductsScalesAndSoftCapsGiveThePortableBits) {
  each_against_portable(elementwise_kernels(), [](const auto& kernel, const auto& portable) {
    for (const int64_t n : row_lengths()) {
      const auto a = hard_row(n, 1, true), b = hard_row(n, 2, true);
      const auto rows = random_row(3 * (n + 2), 3);
      const auto expect = [&](const char* what, const auto& run) {
        expect_same_bits(kernel, portable, n, what, run);
      };
      expect("multiply",
             [&](const auto& k, float* out) { k->multiply(a.data(), b.data(), n, out); });
      expect("add_products",
             [&](const auto& k, float* out) { k->add_products(a.data(), b.data(), n, out); });
      expect("scale", [&](const auto& k, float* out) { k->scale(a.data(), 0.7f, n, out); });
      expect("add_scaled",
             [&](const auto& k, float* out) { k->add_scaled(a.data(), 0.7f, n, out); });
      expect("dot", [&](const auto& k, float* out) { out[0] = k->dot(b.data(), rows.data(), n); });
      expect("clamped_swiglu", [&](const auto& k, float* out) {
        k->clamped_swiglu(a.data(), b.data(), 1.702f, 7.0f, n, out);
      });
      expect("clamped_swiglu_backward", [&](const auto& k, float* out) {
        std::vector<float> of_up = random_row(n, 4);
        k->clamped_swiglu_backward(a.data(), b.data(), 1.702f, 7.0f, rows.data(), n, out,
                                   of_up.data());
        for (int64_t i = 0; i < n; ++i) out[i] += of_up[static_cast<size_t>(i)];
      });
      expect("softcap", [&](const auto& k, float* out) { k->softcap(a.data(), 30.0f, n, out); });
      expect("softcap_backward", [&](const auto& k, float* out) {
        k->softcap_backward(a.data(), 30.0f, b.data(), n, out);
      });
      expect("column_sums",
             [&](const auto& k, float* out) { k->column_sums(rows.data(), n + 2, 3, n, out); });
    }
  });
}

TEST(NormKernels, LayerNormGivesThePortableBits) {
  each_against_portable(norm_kernels(), [](const auto& kernel, const auto& portable) {
    for (const int64_t n : row_lengths()) {
      const auto x = random_row(n, 1), gain = random_row(n, 2), bias = random_row(n, 3);
      const auto gradient = random_row(n, 4);
      expect_same_bits(kernel, portable, n, "forward", [&](const auto& k, float* out) {
        k->layer_norm(x.data(), gain.data(), bias.data(), 1e-5f, n, out);
      });
      expect_same_bits(kernel, portable, n, "backward", [&](const auto& k, float* out) {
        k->layer_norm_backward(x.data(), gain.data(), k->moments(x.data(), 1e-5f, n),
                               gradient.data(), n, out);
      });
      expect_same_bits(kernel, portable, n, "one plus gain", [&](const auto& k, float* out) {
        k->rms_norm(x.data(), gain.data(), 1.0f, 1e-5f, n, out);
      });
    }
  });
}

double exact(ActivationFunction f, double x) {
  constexpr double pi = 3.14159265358979323846;
  switch (f) {
    case ActivationFunction::silu:
      return x / (1 + std::exp(-x));
    case ActivationFunction::gelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case ActivationFunction::gelu_tanh:
      return x * 0.5 * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
    case ActivationFunction::relu:
      return x > 0 ? x : 0;
  }
  return 0;
}

// Measured on 60 000 points: 2e-7 of max(1, |x|) at most (docs/numerics.md).
TEST(ActivationFunctions, ValuesAndSlopesAgreeWithDouble) {
  const auto& kernel = activation_function_kernels().front();
  for (const ActivationFunction f : functions) {
    double worst = 0, worst_slope = 0;
    for (int i = -30000; i <= 30000; ++i) {
      const float x = (static_cast<float>(i) + 0.5f) / 2500.0f, one = 1.0f;
      float y = 0, slope = 0;
      kernel->apply(f, &x, 1, &y);
      kernel->backward(f, &x, &one, 1, &slope);
      const double size = std::max(1.0, std::fabs(static_cast<double>(x))), h = 1e-5;
      worst = std::max(worst, std::fabs(y - exact(f, x)) / size);
      const double difference = (exact(f, x + h) - exact(f, x - h)) / (2 * h);
      worst_slope = std::max(worst_slope, std::fabs(slope - difference) / size);
    }
    std::printf("activation function %d: %.1e, its slope %.1e\n", static_cast<int>(f), worst,
                worst_slope);
    EXPECT_LE(worst, 4e-7);
    EXPECT_LE(worst_slope, 2e-6);
  }
}

// Measured: 1.8e-7 of the value.
TEST(ElementwiseKernels, SoftCapsAgreeWithDouble) {
  const auto& kernel = elementwise_kernels().front();
  double worst = 0;
  for (int i = -30000; i <= 30000; ++i) {
    const float x = (static_cast<float>(i) + 0.5f) / 100.0f;
    float y = 0;
    kernel->softcap(&x, 30.0f, 1, &y);
    const double wanted = 30 * std::tanh(static_cast<double>(x) / 30);
    worst = std::max(worst, std::fabs(y - wanted) / std::fabs(wanted));
  }
  std::printf("soft cap: %.1e\n", worst);
  EXPECT_LE(worst, 4e-7);
}

}  // namespace
}  // namespace farthing
