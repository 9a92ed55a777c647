// Hadamard matrices are what they are called, and their products with rows undo one another.
#include "ops/hadamard/hadamard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "ops/hadamard/sign_matrices.h"

namespace farthing {
namespace {

using ops::HadamardMatrix;

TEST(SignMatrices, TheirRowsAreOrthogonalAndTheirFirstColumnIsOne) {
  int64_t found = 0;
  for (int64_t order = 4; order <= 512; order += 4) {
    const std::vector<float> h = ops::sign_matrix(order);
    if (h.empty()) continue;
    ++found;
    ASSERT_EQ(static_cast<int64_t>(h.size()), order * order);
    const auto row = [&](int64_t i) { return &h[static_cast<size_t>(i * order)]; };
    for (int64_t i = 0; i < order; ++i) {
      ASSERT_EQ(row(i)[0], 1.0f) << order;
      for (int64_t j = 0; j <= i; ++j) {
        float product = 0;
        for (int64_t k = 0; k < order; ++k) product += row(i)[k] * row(j)[k];
        ASSERT_EQ(product, i == j ? static_cast<float>(order) : 0.0f) << order;
        ASSERT_EQ(row(i)[j] * row(i)[j], 1.0f) << order;
      }
    }
  }
  EXPECT_GT(found, 50);
}

// Sizes of hidden and inner layers: SmolLM2, Llama 1 to 3, Qwen 2.5, Mistral, Gemma, stories260k.
TEST(HadamardMatrix, ThereIsOneForTheSizesOfModels) {
  for (const int64_t n :
       {64,    128,   96,    80,    576,    960,    1536, 2048, 4096, 5120,   896,   4864,
        8960,  18944, 11008, 13824, 14336,  28672,  3072, 8192, 9216, 2304,   27648, 5504,
        17920, 172,   344,   40,    52 * 2, 60 * 4, 108,  140,  156,  100 * 2}) {
    const HadamardMatrix* h = HadamardMatrix::find(n);
    ASSERT_NE(h, nullptr) << n;
    EXPECT_EQ(h->size(), n);
  }
  for (const int64_t n : {0, 3, 6, 10, 188, 4 * 47 * 2})
    EXPECT_EQ(HadamardMatrix::find(n), nullptr);
  EXPECT_NE(ops::hadamard_sizes().find(" 12, 20, 28, 36, 44, 52, 60,"), std::string::npos);
  EXPECT_NE(ops::hadamard_sizes().find(" 156, "), std::string::npos);
  EXPECT_NE(ops::hadamard_sizes().find(" 172, "), std::string::npos);
}

Tensor random_rows(int64_t rows, int64_t columns, uint64_t stream) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = random_normal(5, stream, static_cast<uint64_t>(i));
  return out;
}

// In double, roundings are 2^-53 of terms of size 1; in f32, 2^-24 of the sum of n magnitudes over
// sqrt(n), about sqrt(n), for each of up to 12 + 344 additions: by chance their square root.
TEST(HadamardMatrix, TransformsInDoubleAndInFloatAgreeAndTransposeUndoesThem) {
  ContextOwner owner(2, supported_isas().back());
  for (const int64_t n : {4, 12, 64, 576, 172, 11008}) {
    const HadamardMatrix& h = *HadamardMatrix::find(n);
    Tensor x = random_rows(3, n, 1);
    const Tensor before = random_rows(3, n, 1);
    std::vector<double> row(before.as<float>(), before.as<float>() + n);
    h.transform(row);
    ops::hadamard_forward(owner.get(), h, x.view<float>());
    for (int64_t i = 0; i < n; ++i)
      ASSERT_NEAR(x.as<float>()[i], row[static_cast<size_t>(i)], 1e-4) << n << " " << i;
    h.transform_back(row);
    ops::hadamard_backward(owner.get(), h, x.view<float>());
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_NEAR(row[static_cast<size_t>(i)], before.as<float>()[i], 1e-11) << n;
      ASSERT_NEAR(x.as<float>()[i], before.as<float>()[i], 1e-4) << n;
    }
  }
}

// (H x) y = x (H' y): what the gradient of a product with H has to be.
TEST(HadamardMatrix, BackwardIsTheTransposedMatrix) {
  ContextOwner owner(1, supported_isas().back());
  for (const int64_t n : {12, 172, 288}) {
    const HadamardMatrix& h = *HadamardMatrix::find(n);
    Tensor x = random_rows(1, n, 1), y = random_rows(1, n, 2);
    const Tensor x0 = random_rows(1, n, 1), y0 = random_rows(1, n, 2);
    ops::hadamard_forward(owner.get(), h, x.view<float>());
    ops::hadamard_backward(owner.get(), h, y.view<float>());
    double left = 0, right = 0;
    for (int64_t i = 0; i < n; ++i) {
      left += static_cast<double>(x.as<float>()[i]) * y0.as<float>()[i];
      right += static_cast<double>(x0.as<float>()[i]) * y.as<float>()[i];
    }
    EXPECT_NEAR(left, right, 1e-4) << n;
    const int64_t entries = h.order() * h.order();
    EXPECT_FALSE(std::equal(h.signs(), h.signs() + entries, h.transposed_signs()))
        << "no test where H is symmetric: " << n;
  }
}

}  // namespace
}  // namespace farthing
