// Facts about the matrix-product kernels: equal bits over instruction sets, batches and ranges of
// panels; values against a reference in double; committed digests.
#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "base/cpu.h"
#include "base/random.h"
#include "formats/format.h"
#include "kernels/matmul/shards.h"
#include "kernels/quantize_rows/float_rows.h"
#include "kernels/quantize_rows/quantize_rows.h"

namespace farthing {
namespace {

std::vector<float> random_values(int64_t count, uint64_t stream, float scale) {
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    out[i] = scale * random_normal(7, stream, static_cast<uint64_t>(i));
  return out;
}

QuantizedTensor random_weight(const Format& format, int64_t n, int64_t k) {
  const auto values = random_values(n * k, 1, 0.05f);
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  const ScaleRule rule =
      format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front();
  q.encode(values.data(), k, rule);
  return q;
}

// Everything that one product needs.
struct Case {
  QuantizedTensor weight;
  int64_t m;
  std::vector<float> x;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> sums;

  Case(const Format& format, Activations activations, int64_t rows, int64_t n, int64_t k)
      : weight(random_weight(format, n, k)), m(rows), x(random_values(rows * k, 2, 1.0f)) {
    const int64_t blocks = (k + 31) / 32;
    codes.resize(static_cast<size_t>(m * blocks * 32));
    scales.resize(static_cast<size_t>(m * blocks));
    sums.resize(static_cast<size_t>(m * blocks));
    const QuantizeRowsKernel& kernel = choose_quantize_rows_kernel(Isa::portable);
    const QuantizeRow round = kernel->of(activations);
    SharedByRows shared;
    for (int64_t t = 0; t < m; ++t) shared.call |= kernel->measure(&x[t * k], k);
    if (is_static(activations)) shared.input.scale = 0.02f;  // clips beyond 2.54
    for (int64_t t = 0; round != nullptr && t < m; ++t)
      round(&x[t * k], k, shared, &codes[t * blocks * 32], &scales[t * blocks], &sums[t * blocks]);
    if (product_input(Scheme{&format, activations}) == ProductInput::floats) {
      for (int64_t i = 0; round != nullptr && i < m * k; ++i)
        x[i] = static_cast<float>(codes[i / k * blocks * 32 + i % k]) *
               scales[i / k * blocks + i % k / 32];
      const RoundFloatRow round_floats = float_row_rounding(activations);
      for (int64_t t = 0; round_floats != nullptr && t < m; ++t)
        round_floats(std::vector<float>(&x[t * k], &x[t * k] + k).data(), k, shared.input,
                     &x[t * k]);
    }
  }

  // Rows [row_begin, row_end) by `kernel`, the panels split in two calls at `split`.
  std::vector<float> product(const MatmulKernel& kernel, int64_t row_begin, int64_t row_end,
                             int64_t split) const {
    const int64_t rows = row_end - row_begin, blocks = (weight.k + 31) / 32,
                  panels = panels_of(weight.n);
    std::vector<float> y(static_cast<size_t>(rows * weight.n), -1.0f);
    Tensor packed(DType::u8, {packed_bytes(kernel->packing, weight)});
    pack_panels(kernel->packing, weight, 0, panels, packed.data());
    Tensor scratch(DType::f32, {matmul_scratch_floats()});
    const Int8Rows int8{&codes[row_begin * blocks * 32], blocks * 32, &scales[row_begin * blocks],
                        &sums[row_begin * blocks]};
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, split}, {split, panels}}) {
      if (begin < end) {
        kernel->run({&weight, packed.data(), rows, &x[row_begin * weight.k], weight.k, int8,
                     y.data(), weight.n, begin, end, scratch.as<float>()});
      }
    }
    return y;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

const MatmulKernel& portable_kernel(const MatmulKernel& like) {
  for (const MatmulKernel& kernel : matmul_kernels())
    if (kernel.isa == Isa::portable && kernel->input == like->input &&
        kernel->packing == like->packing)
      return kernel;
  std::abort();
}

int64_t fitting(const Format& format, int64_t k) {
  return (k + format.block - 1) / format.block * format.block;
}

// A kernel reads floats or int8 codes, whatever rounded them, so the whole product of formats would
// run the same code again and again: every weight format with f32, and on its int8 product with the
// first formats of int8 codes; all others with one format of each kind of weights.
bool is_tried(const Format& format, Activations activations) {
  if (activations == Activations::f32) return true;
  // To these kernels they are int8_token's codes; tests/ops/outliers_test.cc has the rest.
  if (has_outliers(activations)) return false;
  constexpr Activations with_all[] = {Activations::int8_block32, Activations::int8_token,
                                      Activations::int8_tensor};
  if (product_input(Scheme{&format, activations}) == ProductInput::int8_blocks &&
      std::find(std::begin(with_all), std::end(with_all), activations) != std::end(with_all))
    return true;
  constexpr std::string_view few[] = {"f16",      "fp8_e4m3_row",   "mxfp4", "int8_row",
                                      "int4_g16", "int4_g128_asym", "q4_k"};
  return std::find(std::begin(few), std::end(few), format.name) != std::end(few);
}

// Every kernel with every weight format, and the activation formats that it is tried with.
template <class Check>
void each_product(const Check& check) {
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const Format& format : all_formats()) {
      if (!accepts(kernel, format)) continue;
      for (const Activations activations : all_activations) {
        if (kernel->input != product_input(Scheme{&format, activations}) ||
            !is_tried(format, activations))
          continue;
        SCOPED_TRACE(std::string(kernel.name) + " " + std::string(format.name) + "@" +
                     std::string(activations_name(activations)));
        check(kernel, format, activations);
      }
    }
  }
}

TEST(Matmul, EveryInstructionSetGivesThePortableBits) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 33, 40},
                                  {2, 16, 256},
                                  {5, 70, 300},
                                  {13, 47, 576},
                                  {3, 20, 2400}}) {
      const Case test(format, activations, m, n, fitting(format, k));
      EXPECT_TRUE(
          same_bits(test.product(kernel, 0, m, 1), test.product(portable_kernel(kernel), 0, m, 0)))
          << m << " " << n << " " << k;
    }
  });
}

TEST(Matmul, ARowDoesNotDependOnTheBatch) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    const int64_t n = 75, k = fitting(format, 320);
    const Case test(format, activations, 17, n, k);
    const auto all = test.product(kernel, 0, 17, 2);
    for (const auto& [begin, end] :
         {std::pair<int64_t, int64_t>{0, 1}, {4, 7}, {16, 17}, {3, 17}}) {
      const std::vector<float> expected(all.begin() + begin * n, all.begin() + end * n);
      EXPECT_TRUE(same_bits(test.product(kernel, begin, end, 0), expected)) << begin << ".." << end;
    }
  });
}

// The stored packing defines what a format's product is; a tuned packing must give its bits.
TEST(Matmul, PackedKernelsGiveTheBitsOfTheGenericOne) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    if (kernel->input != ProductInput::floats || kernel->packing == Packing::stored) return;
    for (const MatmulKernel& generic : matmul_kernels()) {
      if (generic->packing != Packing::stored || generic.isa != kernel.isa) continue;
      const Case test(format, activations, 4, 40, fitting(format, 580));
      EXPECT_TRUE(same_bits(test.product(kernel, 0, 4, 0), test.product(generic, 0, 4, 0)));
    }
  });
}

// Few tokens take another path than many, in whole blocks of sixteen along k and then a rest.
TEST(Matmul, OneAndTwoTokensGiveTheBitsOfMany) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    const int64_t n = 75, k = fitting(format, 300);
    const Case test(format, activations, 7, n, k);
    const auto all = test.product(kernel, 0, 7, 0);
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{2, 3}, {5, 7}}) {
      const std::vector<float> expected(all.begin() + begin * n, all.begin() + end * n);
      EXPECT_TRUE(same_bits(test.product(kernel, begin, end, 0), expected)) << begin << ".." << end;
    }
  });
}

// What the packing holds of an input's weights is what the format says they are.
TEST(Matmul, InputsThatAreUnpackedAreThoseOfTheFormat) {
  for (const Format& format : all_formats()) {
    if (!has_int8_product(format) || format.grid->bits > 8) continue;
    const int64_t n = 37, k = fitting(format, 300);
    const QuantizedTensor weight = random_weight(format, n, k);
    Tensor packed(DType::u8, {packed_bytes(Packing::integers, weight)});
    pack_panels(Packing::integers, weight, 0, panels_of(n), packed.data());
    const Tensor decoded = weight.decode();
    std::vector<int32_t> inputs;
    for (int64_t i = 0; i < k; ++i) inputs.push_back(static_cast<int32_t>(i));
    std::vector<float> weights(static_cast<size_t>(k * panel_outputs));
    for (int64_t panel = 0; panel < panels_of(n); ++panel) {
      unpack_inputs(weight, packed.data(), panel, inputs, weights.data());
      for (int64_t i = 0; i < k; ++i)
        for (int64_t o = 0; o < panel_outputs && panel * panel_outputs + o < n; ++o)
          ASSERT_EQ(weights[i * panel_outputs + o],
                    decoded.as<float>()[(panel * panel_outputs + o) * k + i])
              << format.name << " " << i << " " << panel << " " << o;
    }
  }
}

bool same_bits_or_nan(float a, float b) {
  return (a != a && b != b) || std::memcmp(&a, &b, sizeof a) == 0;
}

// What encoding never writes a file may hold: the NaN of E4M3 and E8M0, infinities, unused codes.
TEST(Matmul, AnyStoredBytesGiveTheGenericBits) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    if (kernel->packing != Packing::elements) return;
    const int64_t n = 70, k = fitting(format, 48);
    Case test(format, activations, 1, n, k);
    uint64_t i = 0;
    const auto outliers = static_cast<size_t>(format.outliers);  // a reader checks their places
    for (size_t p = 0; p < test.weight.planes.size() && p != outliers; ++p) {
      Tensor& plane = test.weight.planes[p];
      for (int64_t at = 0; at < plane.bytes(); ++at)
        plane.data()[at] = static_cast<std::byte>(random_bits(11, 3, i++));
    }
    for (const MatmulKernel& generic : matmul_kernels()) {
      if (generic->packing != Packing::stored || generic.isa != kernel.isa) continue;
      const auto ours = test.product(kernel, 0, 1, 0), defined = test.product(generic, 0, 1, 0);
      for (size_t o = 0; o < ours.size(); ++o)
        EXPECT_TRUE(same_bits_or_nan(ours[o], defined[o]))
            << o << ": " << ours[o] << " " << defined[o];
    }
  });
}

TEST(Matmul, ValuesAgreeWithDouble) {
  each_product([](const MatmulKernel& kernel, const Format& format, Activations activations) {
    const int64_t m = 3, n = 20, k = fitting(format, 600), blocks = (k + 31) / 32;
    const Case test(format, activations, m, n, k);
    const Tensor w = test.weight.decode();
    const auto y = test.product(kernel, 0, m, 0);
    for (int64_t t = 0; t < m; ++t) {
      for (int64_t o = 0; o < n; ++o) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < k; ++i) {
          double input = test.x[t * k + i];
          if (kernel->input == ProductInput::int8_blocks)
            input = static_cast<double>(test.codes[t * blocks * 32 + i]) *
                    test.scales[t * blocks + i / 32];
          sum += input * w.as<float>()[o * k + i];
          size += std::fabs(input * w.as<float>()[o * k + i]);
        }
        // A chain of j additions errs by at most j 2^-24 of the sum of magnitudes; k steps and the
        // products' roundings.
        EXPECT_NEAR(y[t * n + o], sum, size * static_cast<double>(k + 4) * 0x1p-24)
            << t << " " << o;
      }
    }
  });
}

TEST(Matmul, ExtremeCodesDoNotSaturate) {
  // Weight codes and activation codes at their ends: the largest sums that an instruction set could
  // saturate.
  const int64_t n = 16, k = 64;
  for (const Format& format : all_formats()) {
    if (!has_int8_product(format)) continue;
    for (const float sign : {1.0f, -1.0f}) {
      Case test(format, Activations::int8_block32, 1, n, k);
      std::vector<float> values(static_cast<size_t>(n * k), -1.0f);
      test.weight.encode(
          values.data(), k,
          format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
      for (int64_t i = 0; i < k; ++i) test.codes[i] = static_cast<int8_t>(sign * 127);
      for (int64_t b = 0; b < k / 32; ++b) test.sums[b] = static_cast<int32_t>(sign * 127 * 32);
      const float expected = test.weight.decode().as<float>()[0];
      for (const MatmulKernel& kernel : matmul_kernels()) {
        if (!isa_supported(kernel.isa) || kernel->input != ProductInput::int8_blocks) continue;
        double sum = 0;
        for (int64_t b = 0; b < k / 32; ++b) sum += 32.0 * 127 * sign * test.scales[b] * expected;
        // Two blocks, three roundings each, relative 2^-24 apiece.
        EXPECT_NEAR(test.product(kernel, 0, 1, 0)[0], sum, std::fabs(sum) * 8 * 0x1p-24)
            << kernel.name << " " << format.name;
      }
    }
  }
}

TEST(Matmul, ShardsCoverKAndFollowTheRule) {
  for (int64_t k = 1; k < 6000; k += 37) {
    const Shards shards(k);
    EXPECT_EQ(shards.count, std::min<int64_t>(8, (k + 255) / 256));
    EXPECT_EQ(shards.first_tile(0), 0);
    EXPECT_EQ(shards.first_tile(shards.count), shards.tiles);
    EXPECT_EQ(shards.tile_end(shards.tiles - 1), k);
    for (int s = 0; s < shards.count; ++s)
      EXPECT_LT(shards.first_tile(s), shards.first_tile(s + 1));
  }
}

// Bits that every machine must give; made on a machine with AVX-512 and reproduced with AVX2 and
// portable code.
TEST(Matmul, CommittedDigests) {
  const std::map<std::string, uint64_t> digests = {
#include "kernels/data/matmul_digests.inc"
  };
  std::string ran;
  each_product([&](const MatmulKernel& kernel, const Format& format, Activations activations) {
    const Case test(format, activations, 5, 70, fitting(format, 700));
    const auto y = test.product(kernel, 0, 5, 0);
    const std::string name =
        std::string(format.name) + "@" + std::string(activations_name(activations));
    const uint64_t digest = XXH3_64bits(y.data(), y.size() * sizeof(float));
    const auto expected = digests.find(name);
    if (expected == digests.end()) {
      ADD_FAILURE() << "no digest for {\"" << name << "\", 0x" << std::hex << digest << "u},";
    } else {
      EXPECT_EQ(digest, expected->second) << name << " by " << kernel.name;
    }
  });
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512})
    if (!isa_supported(isa))
      std::printf("not run on this machine: %s\n", std::string(isa_name(isa)).c_str());
}

}  // namespace
}  // namespace farthing
