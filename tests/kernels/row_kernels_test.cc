// Facts about the kernels over rows: equal bits on every instruction set, and what their
// definitions say.
#include "kernels/row_kernels.h"

#include <algorithm>

#include "io/safetensors/safetensors.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/listing.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/softmax.h"

namespace farthing {
namespace {

// A row that ends in a canary: a kernel that writes behind its row is seen.
constexpr float canary = 12345.0f;

TEST(NormKernels, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(norm_kernels(), [](const NormKernel& kernel, const NormKernel& portable) {
    for (int64_t n : row_lengths()) {
      const auto x = random_row(n, 1), gain = random_row(n, 2);
      std::vector<float> out(n + 1, canary), expected(n + 1, canary);
      kernel->rms_norm(x.data(), gain.data(), 0.0f, 1e-5f, n, out.data());
      portable->rms_norm(x.data(), gain.data(), 0.0f, 1e-5f, n, expected.data());
      EXPECT_TRUE(same_bits(out, expected)) << n;
    }
  });
}

TEST(ElementwiseKernels, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(elementwise_kernels(), [](const ElementwiseKernel& kernel,
                                                  const ElementwiseKernel& portable) {
    for (int64_t n : row_lengths()) {
      const auto a = hard_row(n, 1, true), b = hard_row(n, 2, true);
      const auto compare = [&](const char* what, const auto& run) {
        std::vector<float> out(n + 1, canary), expected(n + 1, canary);
        run(kernel, out.data());
        run(portable, expected.data());
        make_nans_equal(out);
        make_nans_equal(expected);
        EXPECT_TRUE(same_bits(out, expected)) << what << " " << n;
      };
      compare("add", [&](const auto& k, float* out) { k->add(a.data(), b.data(), n, out); });
      compare("swiglu", [&](const auto& k, float* out) { k->swiglu(a.data(), b.data(), n, out); });
      compare("exp", [&](const auto& k, float* out) { k->exp(a.data(), n, out); });
    }
  });
}

TEST(RopeKernels, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(rope_kernels(), [](const RopeKernel& kernel, const RopeKernel& portable) {
    for (int64_t head_dim = 2; head_dim <= 256; head_dim += head_dim < 70 ? 2 : 31 * 2) {
      const int64_t heads = 3;
      auto x = random_row(heads * head_dim, 1);
      x.push_back(canary);
      auto expected = x;
      const auto cos = random_row(head_dim / 2, 2), sin = random_row(head_dim / 2, 3);
      kernel->rotate(x.data(), heads, head_dim, head_dim, cos.data(), sin.data());
      portable->rotate(expected.data(), heads, head_dim, head_dim, cos.data(), sin.data());
      EXPECT_TRUE(same_bits(x, expected)) << head_dim;
    }
  });
}

TEST(SoftmaxKernels, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(
      softmax_kernels(), [](const SoftmaxKernel& kernel, const SoftmaxKernel& portable) {
        for (int64_t n : row_lengths()) {
          for (bool hard : {false, true}) {
            const auto x = hard ? hard_row(n, 1, false) : random_row(n, 1, 4.0f);
            const auto y = hard ? hard_row(n, 2, false) : random_row(n, 2, 4.0f);
            const auto everything = [&](const SoftmaxKernel& k) {
              const SoftmaxStatistics of_x = k->statistics(x.data(), n),
                                      of_y = k->statistics(y.data(), n);
              const LogNormalizer p{of_x.max, std::log(of_x.sum)}, q{of_y.max, std::log(of_y.sum)};
              std::vector<float> out(n + 1, canary);
              k->log_softmax(x.data(), n, p, out.data());
              out.push_back(of_x.max);
              out.push_back(of_x.sum);
              out.push_back(k->kl_divergence(x.data(), p, y.data(), q, n));
              out.push_back(static_cast<float>(k->argmax(x.data(), n)));
              make_nans_equal(out);
              return out;
            };
            EXPECT_TRUE(same_bits(everything(kernel), everything(portable)))
                << n << (hard ? " hard" : "");
          }
        }
      });
}

TEST(SoftmaxKernels, NanIsNeverTheMaximumAndPoisonsTheSum) {
  for (const SoftmaxKernel& kernel : softmax_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (int64_t n : {2, 16, 17, 40}) {
      for (int64_t at = 0; at < n; ++at) {
        auto x = random_row(n, 5);
        x[at] = NAN;
        const int64_t best = kernel->argmax(x.data(), n);
        for (int64_t i = 0; i < n; ++i) EXPECT_FALSE(x[i] > x[best]) << i;
        EXPECT_NE(best, at) << n;
        EXPECT_TRUE(std::isnan(kernel->statistics(x.data(), n).sum))
            << kernel.name << " " << n << " " << at;
      }
    }
  }
}

TEST(SoftmaxKernels, ArgmaxOfEqualLogitsIsTheLowestIndex) {
  for (const SoftmaxKernel& kernel : softmax_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    std::vector<float> x(100, -1.0f);
    x[37] = x[20] = x[99] = 2.0f;
    EXPECT_EQ(kernel->argmax(x.data(), 100), 20) << kernel.name;
  }
}

struct Rounded {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> sums;
};

// By any function of QuantizeRowsFunctions; a call of this row alone, unless `call` says otherwise.
Rounded round_row(QuantizeRow round, const std::vector<float>& x,
                  std::optional<Magnitude> call = {}, const float* outliers = nullptr) {
  const auto k = static_cast<int64_t>(x.size()), blocks = blocks_of_32(k);
  Rounded out{std::vector<int8_t>(blocks * 32 + 1, 99), std::vector<float>(blocks + 1, canary),
              std::vector<int32_t>(blocks + 1, 99)};
  if (!call) call = quantize_rows_kernels().front()->measure(x.data(), k);
  // of static formats: that of a token
  const float scale = call->largest > 0 ? call->largest / 127.0f : 1.0f;
  round(x.data(), k, {*call, {scale, 0}, outliers}, out.codes.data(), out.scales.data(),
        out.sums.data());
  make_nans_equal(out.scales);
  return out;
}

// Every int8 activation format on every instruction set of this machine.
template <class Check>
void each_rounding(const Check& check) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const Activations activations : all_activations) {
      const QuantizeRow round = kernel->of(activations);
      ASSERT_EQ(round != nullptr, activation_codes(activations) == ActivationCodes::int8);
      if (round == nullptr) continue;
      SCOPED_TRACE(std::string(kernel.name) + " " + std::string(activations_name(activations)));
      check(activations, round);
    }
  }
}

TEST(QuantizeRowsKernels, EveryInstructionSetGivesThePortableBits) {
  const QuantizeRowsKernel& portable = quantize_rows_kernels().front();
  each_rounding([&](Activations activations, QuantizeRow round) {
    for (int64_t k : row_lengths()) {
      for (const auto& x : {random_row(k, 1), hard_row(k, 2, false), hard_row(k, 3, true),
                            random_row(k, 4, 1e-31f)}) {
        const Rounded out = round_row(round, x), expected = round_row(portable->of(activations), x);
        EXPECT_TRUE(same_bits(out.codes, expected.codes) &&
                    same_bits(out.scales, expected.scales) && same_bits(out.sums, expected.sums))
            << k;
      }
    }
  });
}

TEST(QuantizeRowsKernels, CodesAreTheNearestAndReachTheEnds) {
  each_rounding([](Activations activations, QuantizeRow round) {
    const int64_t k = 1000;
    const auto x = random_row(k, 1);
    const Rounded out = round_row(round, x);
    int largest_of_row = 0;
    for (int64_t b = 0; b < blocks_of_32(k); ++b) {
      int sum = 0, largest = 0;
      for (int64_t i = 32 * b; i < 32 * b + 32; ++i) {
        const double value = i < k ? x[i] : 0.0f;
        // half a step, and the roundings of inverse, product and scale on codes up to 127: 3 * 127
        // * 2^-24 steps
        EXPECT_LE(std::fabs(out.codes[i] * static_cast<double>(out.scales[b]) - value),
                  out.scales[b] * 0.50003)
            << i;
        sum += out.codes[i];
        largest = std::max(largest, std::abs(out.codes[i]));
      }
      EXPECT_EQ(out.sums[b], sum);
      if (activations == Activations::int8_block32) {
        EXPECT_EQ(largest, 127);
      }
      largest_of_row = std::max(largest_of_row, largest);
    }
    EXPECT_EQ(largest_of_row, 127);
  });
}

TEST(QuantizeRowsKernels, CodesAndScalesAreThoseOfNumpy) {
  const auto file =
      SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/golden.safetensors").value();
  const Tensor values = file.tensor("values").value();
  const int64_t k = values.shape()[1], blocks = k / 32;
  each_rounding([&](Activations activations, QuantizeRow round) {
    // numpy's are of rows; the others: float_rows_test.cc
    if (!batch_invariant(activations) || is_static(activations) ||
        activations == Activations::int8_block256)
      return;
    const std::string name(activations_name(activations));
    const Tensor codes = file.tensor(name + ".codes").value(),
                 scales = file.tensor(name + ".scales").value();
    for (int64_t t = 0; t < values.shape()[0]; ++t) {
      const Rounded out =
          round_row(round, {values.as<float>() + t * k, values.as<float>() + (t + 1) * k});
      // No amax of these rows lies between 0 and 2^-100, where the kernels say 0.
      for (int64_t b = 0; b < blocks; ++b)
        EXPECT_EQ(out.scales[b], scales.as<float>()[t * blocks + b]) << t << " " << b;
      for (int64_t i = 0; i < k; ++i) EXPECT_EQ(out.codes[i], codes.as<int8_t>()[t * k + i]) << t;
    }
  });
}

TEST(QuantizeRowsKernels, ATokenHasTheScaleOfItsLargestElement) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const int64_t k : {1, 31, 32, 33, 1000}) {
      for (int64_t at = 0; at < k; at += 7) {
        auto x = random_row(k, 1);
        x[at] = at % 2 == 0 ? 50.5f : -50.5f;
        const Rounded out = round_row(kernel->int8_token, x);
        for (int64_t b = 0; b < blocks_of_32(k); ++b) EXPECT_EQ(out.scales[b], 50.5f / 127.0f);
        EXPECT_EQ(out.codes[at], at % 2 == 0 ? 127 : -127) << kernel.name << " " << k << " " << at;
      }
    }
  }
}

// Each 256 elements are rounded as a token of their own: the last, shorter ones too.
TEST(QuantizeRowsKernels, EveryBlockOf256IsRoundedAsAToken) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const int64_t k : row_lengths()) {
      const auto x = k % 2 == 0 ? hard_row(k, 6, true) : random_row(k, 6);
      const Rounded whole = round_row(kernel->int8_block256, x);
      for (int64_t at = 0; at < k; at += 256) {
        const int64_t end = std::min(at + 256, k);
        const Rounded token = round_row(kernel->int8_token, {x.begin() + at, x.begin() + end});
        for (int64_t b = at / 32; 32 * b < end; ++b) {
          EXPECT_EQ(std::memcmp(&whole.scales[b], &token.scales[b - at / 32], sizeof(float)), 0)
              << kernel.name << " " << k;
          EXPECT_EQ(whole.sums[b], token.sums[b - at / 32]) << kernel.name << " " << k;
        }
        EXPECT_EQ(std::memcmp(&whole.codes[at], token.codes.data(), end - at), 0)
            << kernel.name << " " << k;
      }
      EXPECT_EQ(whole.scales.back(), canary);
    }
  }
}

TEST(QuantizeRowsKernels, OneBlockIsRoundedAsAToken) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (int64_t k = 1; k <= 32; ++k) {
      const auto x = hard_row(k, 5, k % 2 == 0);
      const Rounded block = round_row(kernel->int8_block32, x),
                    token = round_row(kernel->int8_token, x);
      EXPECT_TRUE(same_bits(block.codes, token.codes) && same_bits(block.scales, token.scales) &&
                  same_bits(block.sums, token.sums))
          << kernel.name << " " << k;
    }
  }
}

TEST(QuantizeRowsKernels, ANonfiniteNumberMakesItsScaleNan) {
  each_rounding([](Activations activations, QuantizeRow round) {
    const bool whole_row = activations != Activations::int8_block32;
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      for (size_t at = 32; at < 64; ++at) {
        auto x = random_row(96, 1);
        x[at] = bad;
        const Rounded out = round_row(round, x);
        EXPECT_EQ(std::isnan(out.scales[0]), whole_row);
        EXPECT_EQ(std::isnan(out.scales[2]), whole_row);
        EXPECT_TRUE(std::isnan(out.scales[1])) << at;
        for (size_t i = 32; i < 64; ++i) EXPECT_EQ(out.codes[i], 0);
        if (whole_row) {
          EXPECT_EQ(out.codes[0] | out.codes[95] | out.sums[0] | out.sums[2], 0);
        }
      }
    }
  });
}

TEST(QuantizeRowsKernels, AMagnitudeIsTheSameOnEveryInstructionSet) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const int64_t k : row_lengths()) {
      for (const auto& x : {random_row(k, 1), hard_row(k, 2, false), hard_row(k, 3, true)}) {
        float largest = 0;
        bool finite = true;
        for (const float value : x) {
          if (std::fabs(value) > largest) largest = std::fabs(value);
          finite = finite && std::isfinite(value);
        }
        const Magnitude out = kernel->measure(x.data(), k);
        EXPECT_EQ(out.finite, finite) << kernel.name << " " << k;
        if (finite) {
          EXPECT_EQ(out.largest, largest) << kernel.name << " " << k;
        }
      }
    }
  }
}

TEST(QuantizeRowsKernels, ARowOfACallHasTheScaleOfTheLargestElementOfTheCall) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    const auto x = random_row(70, 1);
    const Rounded out = round_row(kernel->int8_tensor, x, Magnitude{508.0f, true});
    for (int b = 0; b < 3; ++b) EXPECT_EQ(out.scales[b], 4.0f);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out.codes[i], std::nearbyintf(x[i] / 4.0f));
    EXPECT_TRUE(std::isnan(round_row(kernel->int8_tensor, x, Magnitude{508.0f, false}).scales[0]));
  }
}

// Whatever outlier columns hold: infinities and NaN too.
TEST(QuantizeRowsKernels, ARowWithoutItsOutliersIsRoundedAsATokenWithZerosThere) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const int64_t k : row_lengths()) {
      std::vector<float> x = random_row(k, 1), zeroed = x, outliers(blocks_of_32(k) * 32);
      for (int64_t i = k % 5; i < k; i += 9) {
        x[i] = std::vector<float>{1e30f, INFINITY, NAN, -7.0f}[static_cast<size_t>(i % 4)];
        zeroed[i] = 0.0f;
        outliers[i] = 1.0f;
      }
      const Rounded token = round_row(kernel->int8_token, zeroed);
      for (const QuantizeRow round : {kernel->int8_outliers, kernel->int8_outliers_live}) {
        const Rounded out = round_row(round, x, {}, outliers.data());
        EXPECT_TRUE(same_bits(out.codes, token.codes) && same_bits(out.scales, token.scales) &&
                    same_bits(out.sums, token.sums))
            << kernel.name << " " << k;
      }
    }
  }
}

TEST(QuantizeRowsKernels, WhatIsTinyIsZero) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    std::vector<float> x(64, 0x1p-101f);
    EXPECT_EQ(round_row(kernel->int8_token, x).scales[1], 0.0f);
    EXPECT_EQ(round_row(kernel->int8_token, x).codes[40], 0);
    std::fill(x.begin() + 32, x.end(), 0x1p-100f);
    const Rounded out = round_row(kernel->int8_block32, x);
    EXPECT_EQ(out.scales[0], 0.0f);
    EXPECT_EQ(out.codes[0], 0);
    EXPECT_EQ(out.scales[1], 0x1p-100f / 127.0f);
    EXPECT_EQ(out.codes[32], 127);
    const Rounded token = round_row(kernel->int8_token, x);
    EXPECT_EQ(token.scales[0], 0x1p-100f / 127.0f);
    EXPECT_EQ(token.codes[0], 64);  // 63.5: to even
  }
}

TEST(QuantizeRowsKernels, AStaticScaleSaturatesAndIsThatOfEveryBlock) {
  for (const QuantizeRowsKernel& kernel : quantize_rows_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    std::vector<float> x(70, 0.0f);
    x[0] = 1e38f, x[1] = -1e38f, x[2] = 0.75f, x[3] = -1.25f, x[4] = 63.75f, x[64] = 2.0f;
    std::vector<int8_t> codes(96);
    std::vector<float> scales(3);
    std::vector<int32_t> sums(3);
    kernel->int8_static(x.data(), 70, {{}, {0.5f, 0}}, codes.data(), scales.data(), sums.data());
    EXPECT_EQ(scales, (std::vector<float>{0.5f, 0.5f, 0.5f})) << kernel.name;
    EXPECT_EQ(std::vector<int8_t>(codes.begin(), codes.begin() + 5),
              (std::vector<int8_t>{127, -127, 2, -2, 127}))
        << kernel.name;
    EXPECT_EQ(sums, (std::vector<int32_t>{127, 0, 4})) << kernel.name;
  }
}

TEST(KernelList, TheStrongestKernelUpToTheWantedSetIsChosen) {
  for (Isa wanted : {Isa::portable, Isa::avx2, Isa::avx512}) {
    EXPECT_EQ(choose_norm_kernel(wanted).isa, wanted);
    EXPECT_EQ(choose_softmax_kernel(wanted).name, "softmax_" + std::string(isa_name(wanted)));
  }
}

TEST(KernelList, EveryListedNameIsUniqueAndNamesItsInstructionSet) {
  std::vector<std::string_view> names;
  for (const ListedKernel& listed : list_kernels()) {
    names.push_back(listed.kernel.name);
    EXPECT_TRUE(names.back().ends_with(isa_name(listed.kernel.isa))) << names.back();
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_GE(names.size(), 18u);
}

}  // namespace
}  // namespace farthing
