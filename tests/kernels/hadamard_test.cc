// The Hadamard transform: every instruction set, and the plain definition.
#include "kernels/hadamard/hadamard.h"

#include "kernels/row_kernels.h"

namespace farthing {
namespace {

constexpr float canary = 12345.0f;

// Orders with widths below, at and above a vector and a tile of 256.
constexpr std::pair<int64_t, int64_t> sizes[] = {{1, 1},   {1, 2},   {1, 8},   {1, 16},  {1, 64},
                                                 {1, 128}, {1, 256}, {1, 512}, {4, 1},   {12, 2},
                                                 {20, 16}, {36, 8},  {4, 256}, {172, 4}, {344, 2}};

std::vector<float> signs_of(int64_t order) {
  std::vector<float> out;
  for (int64_t i = 0; i < order * order; ++i)
    out.push_back((random_bits(3, 1, static_cast<uint64_t>(i)) & 1) != 0 ? 1.0f : -1.0f);
  return out;
}

TEST(Hadamard, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(hadamard_kernels(), [](const auto& kernel, const auto& portable) {
    for (const auto& size : sizes) {
      const auto signs = signs_of(size.first);
      for (const bool hard : {false, true}) {
        const int64_t n = size.first * size.second;
        auto x = hard ? hard_row(n, 2, true) : random_row(n, 1);
        x.push_back(canary);
        auto expected = x;
        kernel->transform(x.data(), signs.data(), size.first, size.second, 0.3f);
        portable->transform(expected.data(), signs.data(), size.first, size.second, 0.3f);
        EXPECT_EQ(x.back(), canary) << n;
        make_nans_equal(x);
        make_nans_equal(expected);
        EXPECT_TRUE(same_bits(x, expected)) << size.first << " x " << size.second;
      }
    }
  });
}

// Entry (a, b) of Sylvester's matrix is -1 where a and b share an odd number of bits. Each of the
// log2(width) + order additions and the product round by at most 2^-24 of the sum of magnitudes.
TEST(Hadamard, IsTheProductWithTheDenseMatrix) {
  for (const HadamardKernel& kernel : hadamard_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const auto& [order, width] : sizes) {
      const int64_t n = order * width;
      const auto signs = signs_of(order), x = random_row(n, 1);
      auto got = x;
      kernel->transform(got.data(), signs.data(), order, width, 0.25f);
      double magnitudes = 0;
      for (const float each : x) magnitudes += std::fabs(each);
      const double tolerance =
          0.25 * magnitudes * 0x1p-24 * (std::log2(static_cast<double>(width)) + order + 1.0);
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          const double outer = order == 1 ? 1 : signs[i / width * order + j / width];
          const bool odd = std::popcount(static_cast<uint64_t>(i % width & j % width)) % 2 != 0;
          sum += outer * (odd ? -x[j] : x[j]);
        }
        ASSERT_NEAR(got[i], 0.25 * sum, tolerance) << kernel.name << " " << n << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace farthing
