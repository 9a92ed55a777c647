// Gram matrices and their decomposition: the definition, and the same bits everywhere.
#include "quant/algorithms/cholesky.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "ops/linear/gram.h"

namespace farthing {
namespace {

Tensor random_rows(int64_t m, int64_t k) {
  Tensor out(DType::f32, {m, k});
  for (int64_t i = 0; i < m * k; ++i)
    out.as<float>()[i] = random_normal(5, 1, static_cast<uint64_t>(i)) + 0.3f;
  return out;
}

Tensor gram_of(Context& context, const Tensor& x) {
  const int64_t k = x.shape()[1];
  Tensor gram(DType::f32, {k, k});
  ops::add_gram(context, x.view<float>(), gram.view<float>());
  ops::mirror_gram(gram.view<float>());
  return gram;
}

TEST(Gram, IsTheSumOfProducts) {
  ContextOwner owner(2, supported_isas().back());
  for (const int64_t k : {1, 63, 64, 65, 200}) {
    const Tensor x = random_rows(300, k);
    const Tensor gram = gram_of(owner.get(), x);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < 300; ++t)
          sum += static_cast<double>(x.as<float>()[t * k + i]) * x.as<float>()[t * k + j];
        // 300 additions, each within 2^-24 of sums of at most some 330
        ASSERT_NEAR(gram.as<float>()[i * k + j], sum, 300 * 330 * 0x1p-24) << i << ", " << j;
      }
    }
  }
}

TEST(Cholesky, ItsProductIsTheMatrix) {
  ContextOwner owner(2, supported_isas().back());
  for (const int64_t k : {1, 2, 63, 64, 65, 130, 257}) {
    const Tensor gram = gram_of(owner.get(), random_rows(2 * k + 3, k));
    Tensor lower(DType::f32, {k, k});
    std::memcpy(lower.data(), gram.data(), static_cast<size_t>(gram.bytes()));
    ASSERT_TRUE(cholesky(owner.get(), lower.view<float>())) << k;
    const float* l = lower.as<float>();
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (int64_t c = 0; c <= j; ++c) sum += static_cast<double>(l[i * k + c]) * l[j * k + c];
        // backward error of the decomposition: (k + 1) 2^-24 of the diagonal
        const double scale = std::sqrt(static_cast<double>(gram.as<float>()[i * k + i]) *
                                       gram.as<float>()[j * k + j]);
        ASSERT_NEAR(sum, gram.as<float>()[i * k + j], static_cast<double>(k + 1) * 0x1p-23 * scale);
      }
    }
  }
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  ContextOwner owner(1, supported_isas().back());
  Tensor a(DType::f32, {2, 2});
  const float entries[] = {1, 2, 2, 1};
  std::memcpy(a.data(), entries, sizeof entries);
  EXPECT_FALSE(cholesky(owner.get(), a.view<float>()));
}

TEST(Cholesky, GivesTheSameBitsForAnyThreadsAndInstructionSet) {
  std::vector<std::byte> first;
  for (const Isa isa : supported_isas()) {
    for (const int threads : {1, 2, 3}) {
      ContextOwner owner(threads, isa);
      Tensor a = gram_of(owner.get(), random_rows(400, 150));
      ASSERT_TRUE(cholesky(owner.get(), a.view<float>()));
      const std::vector<std::byte> bytes(a.data(), a.data() + a.bytes());
      if (first.empty()) first = bytes;
      EXPECT_EQ(bytes, first) << isa_name(isa) << ", " << threads;
    }
  }
}

}  // namespace
}  // namespace farthing
