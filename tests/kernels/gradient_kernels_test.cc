// Facts about the kernels of gradients and of the optimizer: equal bits on every instruction set.
#include "kernels/adamw/adamw.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/rope/rope.h"
#include "kernels/row_kernels.h"
#include "kernels/softmax/softmax.h"

namespace farthing {
namespace {

constexpr float canary = 12345.0f;

// n random sums that gradients are added to, and a canary behind them.
std::vector<float> sums_of(int64_t n, uint64_t stream) {
  auto out = random_row(n, stream);
  out.push_back(canary);
  return out;
}

// Runs `function` with both kernels; each gives all that it wrote.
template <class Kernel, class Function>
void expect_same_bits(const Kernel& kernel, const Kernel& portable, const char* what, int64_t n,
                      const Function& function) {
  std::vector<float> out = function(kernel), expected = function(portable);
  make_nans_equal(out);
  make_nans_equal(expected);
  EXPECT_TRUE(same_bits(out, expected)) << what << " " << n;
}

TEST(GradientKernels, NormGivesThePortableBits) {
  each_against_portable(norm_kernels(), [](const NormKernel& kernel, const NormKernel& portable) {
    for (int64_t n : row_lengths()) {
      const auto x = random_row(n, 1), gain = random_row(n, 2), gradient = random_row(n, 3);
      expect_same_bits(kernel, portable, "row", n, [&](const NormKernel& k) {
        auto out = sums_of(n, 4);
        const float r = k->inverse_rms(x.data(), 1e-5f, n);
        k->rms_norm_backward(x.data(), gain.data(), 0.0f, r, gradient.data(), n, out.data());
        out.push_back(r);
        return out;
      });
      const int64_t rows = 5, x_stride = n + 3, out_stride = n + 1;
      const auto many = random_row(rows * x_stride, 5), from = random_row(rows * out_stride, 6);
      const auto inverses = random_row(rows, 7), means = random_row(rows, 9);
      std::vector<NormMoments> r;
      for (int64_t i = 0; i < rows; ++i) r.push_back({means[i], inverses[i]});
      expect_same_bits(kernel, portable, "gain", n, [&](const NormKernel& k) {
        auto out = sums_of(n, 8);
        k->gain_backward(many.data(), x_stride, r.data(), from.data(), out_stride, rows, n,
                         out.data());
        return out;
      });
    }
  });
}

TEST(GradientKernels, SwigluGivesThePortableBits) {
  each_against_portable(elementwise_kernels(), [](const ElementwiseKernel& kernel,
                                                  const ElementwiseKernel& portable) {
    for (int64_t n : row_lengths()) {
      const auto gate = hard_row(n, 1, true), up = hard_row(n, 2, true), from = random_row(n, 3);
      expect_same_bits(kernel, portable, "swiglu", n, [&](const ElementwiseKernel& k) {
        auto out = sums_of(n, 4), of_up = sums_of(n, 5);
        k->swiglu_backward(gate.data(), up.data(), from.data(), n, out.data(), of_up.data());
        out.insert(out.end(), of_up.begin(), of_up.end());
        return out;
      });
    }
  });
}

TEST(GradientKernels, RopeGivesThePortableBits) {
  each_against_portable(rope_kernels(), [](const RopeKernel& kernel, const RopeKernel& portable) {
    for (int64_t head_dim = 2; head_dim <= 256; head_dim += head_dim < 70 ? 2 : 31 * 2) {
      const auto cos = random_row(head_dim / 2, 2), sin = random_row(head_dim / 2, 3);
      expect_same_bits(kernel, portable, "rope", head_dim, [&](const RopeKernel& k) {
        auto out = sums_of(3 * head_dim, 1);
        k->rotate_back(out.data(), 3, head_dim, head_dim, cos.data(), sin.data());
        return out;
      });
    }
  });
}

TEST(GradientKernels, CrossEntropyGivesThePortableBits) {
  each_against_portable(
      softmax_kernels(), [](const SoftmaxKernel& kernel, const SoftmaxKernel& portable) {
        for (int64_t n : row_lengths()) {
          for (const auto& x : {random_row(n, 1, 4.0f), hard_row(n, 2, false)}) {
            for (int64_t target : {int64_t{0}, n / 2, n - 1}) {
              expect_same_bits(kernel, portable, "cross-entropy", n, [&](const SoftmaxKernel& k) {
                std::vector<float> out(n + 1, canary);
                k->cross_entropy_backward(x.data(), n, k->statistics(x.data(), n), target, 0.3f,
                                          out.data());
                return out;
              });
            }
          }
        }
      });
}

TEST(GradientKernels, CrossEntropyMayOverwriteItsLogits) {
  for (const SoftmaxKernel& kernel : softmax_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (int64_t target : {0, 20, 36}) {
      auto x = random_row(37, 1, 4.0f);
      std::vector<float> apart(37);
      const SoftmaxStatistics of_x = kernel->statistics(x.data(), 37);
      kernel->cross_entropy_backward(x.data(), 37, of_x, target, 0.3f, apart.data());
      kernel->cross_entropy_backward(x.data(), 37, of_x, target, 0.3f, x.data());
      EXPECT_TRUE(same_bits(x, apart)) << kernel.name << " " << target;
    }
  }
}

TEST(GradientKernels, AdamWGivesThePortableBits) {
  const AdamWFactors factors{.decay = 0.999f,
                             .one_minus_beta1 = 0.1f,
                             .beta2 = 0.95f,
                             .one_minus_beta2 = 0.05f,
                             .step_size = 3e-3f,
                             .root_correction2 = 0.3f,
                             .epsilon = 1e-8f,
                             .gradient_scale = 0.7f};
  each_against_portable(
      adamw_kernels(), [&](const AdamWKernel& kernel, const AdamWKernel& portable) {
        for (int64_t n : row_lengths()) {
          const auto gradient = hard_row(n, 1, true);
          expect_same_bits(kernel, portable, "step", n, [&](const AdamWKernel& k) {
            auto out = sums_of(n, 2), m = sums_of(n, 3), v = sums_of(n, 4);
            for (float& element : v) element = std::fabs(element);
            k->step(factors, gradient.data(), n, out.data(), m.data(), v.data());
            out.insert(out.end(), m.begin(), m.end());
            out.insert(out.end(), v.begin(), v.end());
            return out;
          });
          const auto x = hard_row(n, 5, false);
          const double sum = kernel->sum_of_squares(x.data(), n),
                       expected = portable->sum_of_squares(x.data(), n);
          EXPECT_EQ(std::memcmp(&sum, &expected, sizeof sum), 0) << n;
        }
      });
}

}  // namespace
}  // namespace farthing
