// What every number format must keep, over the registry.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "formats/input_groups.h"
#include "formats/support/encoded.h"

namespace farthing {
namespace {

// Whether the one group of `q` uses its lowest and its highest code.
bool spans_all_codes(const QuantizedTensor& q) {
  std::vector<uint8_t> codes(static_cast<size_t>(q.k));
  q.format->codes_tile(q, {0, 1, 0, q.k}, codes.data(), q.k);
  const auto [low, high] = std::minmax_element(codes.begin(), codes.end());
  return *low == 0 && *high == (1 << q.format->grid->bits) - 1;
}

// GGUF's types whose scales come from a search, and those whose outliers come from a threshold on
// all weights: there is no fixed point to promise.
bool is_searched(const Format& format) {
  if (format.outliers >= 0) return true;
  return format.gguf_type >= 10 && !format.plain && !format.name.starts_with("tq") &&
         format.name != "gguf_mxfp4";
}
// What tests/formats/act_order_test.cc holds to the format with _asym, byte for byte.
bool is_encoded_as_another(const Format& format) { return has_input_groups(format); }
// Codes on a book, not on an even grid.
bool is_book(const Format& format) {
  return format.name == "iq4_nl" || format.name == "gguf_mxfp4";
}

bool is_own_integer(const Format& format) { return format.grid && format.name.starts_with("int"); }

class Conformance : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
};
class OnIntegerGrid : public Conformance {};
class OwnInteger : public Conformance {};

// Of a group encoded by half_step the extreme, 7.5 steps, is not on the grid: the decoded group has
// another scale, and there is no fixed point. All other rules put the extremes on codes, so that
// encoding finds the scale again.
TEST_P(Conformance, EncodeOfDecodeReturnsTheSameBytes) {
  // A double-quantized absmax is not the extreme of the decoded block; NVFP4's scale of the tensor
  // is rounded several times (Nvfp4.EncodeOfDecodeMovesTheTensorScaleByUnitsAlone).
  if (is_searched(format()) || GetParam().ends_with("_dq") || GetParam().starts_with("nvfp4"))
    return;
  if (is_encoded_as_another(format())) return;
  const std::vector<ScaleRule> no_scale = {ScaleRule::half_step};
  const auto rules =
      format().scale_rules.empty() ? std::span<const ScaleRule>(no_scale) : format().scale_rules;
  for (const ScaleRule rule : rules) {
    if (rule == ScaleRule::half_step && !format().scale_rules.empty()) continue;
    SCOPED_TRACE(scale_rule_name(rule));
    int64_t same = 0;
    constexpr int64_t groups = 400;
    // one group each where a group may come back otherwise
    const bool own_group = rule == ScaleRule::min_max && format().grid && format().grid->group != 0;
    const int64_t k = own_group ? format().grid->group : fitting(format(), 128);
    for (int64_t i = 0; i < groups; ++i) {
      const Encoded once =
          encode(format(), random_values(k, 0.05f, static_cast<uint64_t>(i)), k, rule);
      const Encoded twice = encode(format(), values_of(once.q.decode()), k, rule);
      // rceil takes half the scale where the extreme's code is at most half the largest: other
      // bytes, the same values.
      const bool equal = rule == ScaleRule::rceil ? same_bytes(once.q.decode(), twice.q.decode())
                                                  : same_planes(once.q, twice.q);
      // With zero points both ends are rounded: where the zero takes one and the highest code the
      // other, 14 steps are left.
      EXPECT_TRUE(equal ||
                  (rule == ScaleRule::min_max && format().grid && !spans_all_codes(once.q)))
          << i;
      same += equal;
    }
    EXPECT_GE(same, groups * 95 / 100);
  }
}

// What a search finds for values that already are the format's is nearer to them than they were to
// the weights.
TEST_P(Conformance, EncodeOfDecodeStaysNear) {
  if (!is_searched(format())) return;
  const int64_t k = 2048;
  const auto values = random_values(k, 0.05f);
  const auto once = values_of(encode(format(), values, k).q.decode());
  const auto twice = values_of(encode(format(), once, k).q.decode());
  double moved = 0, error = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    moved += (twice[i] - once[i]) * (twice[i] - once[i]);
    error += (once[i] - values[i]) * (once[i] - values[i]);
  }
  EXPECT_GT(error, 0);
  EXPECT_LE(moved, 0.25 * error);
}

TEST_P(Conformance, ARowDoesNotDependOnTheTile) {
  const int64_t k = 256, rows = rows_of_tile(format(), k), columns = format().scale_block.columns;
  const int64_t n = 2 * rows + 5, height = rows == 1 ? 3 : rows;
  const int64_t width = columns == 0 || columns > 128 ? k : 128;
  const auto values = random_values(n * k, 0.05f);
  const Encoded whole = encode(format(), values, k);
  QuantizedTensor pieces = QuantizedTensor::allocate(format(), n, k);
  ThreadPool alone(1);
  if (format().prepare != nullptr)
    format().prepare(pieces, alone, values.data(), k, default_rule(format()));
  for (int64_t n0 = 0; n0 < n; n0 += height)
    for (int64_t k0 = 0; k0 < k; k0 += width)
      format().encode_tile(pieces, {n0, std::min(n0 + height, n), k0, k0 + width},
                           &values[static_cast<size_t>(n0 * k + k0)], k, default_rule(format()));
  EXPECT_TRUE(same_planes(whole.q, pieces));
}

// Odd rows: scale blocks that cross rows, and rows that begin inside a byte.
TEST_P(Conformance, TheBytesDoNotDependOnTheThreads) {
  const int64_t n = 150, k = format().block == 1 ? 75 : 2 * format().block;
  const auto values = random_values(n * k, 0.05f);
  const Encoded alone = encode(format(), values, k);
  for (const int threads : {2, 5}) {
    ThreadPool pool(threads);
    QuantizedTensor q = QuantizedTensor::allocate(format(), n, k);
    q.encode(pool, values.data(), k, default_rule(format()));
    EXPECT_TRUE(same_planes(alone.q, q)) << threads;
  }
}

TEST_P(Conformance, ATileDecodesAsThePartOfTheWhole) {
  const int64_t n = 9, k = fitting(format(), 576), step = fitting(format(), 32);
  const QuantizedTensor q = encode(format(), random_values(n * k, 0.05f), k).q;
  const Tensor whole = q.decode();
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const auto pick = [&](uint64_t index, int64_t below) {
      return static_cast<int64_t>(random_bits(3, trial, index) % static_cast<uint64_t>(below));
    };
    const int64_t n0 = pick(0, n), n1 = n0 + 1 + pick(1, n - n0);
    const int64_t k0 = step * pick(2, k / step), k1 = k0 + 1 + pick(3, k - k0),
                  stride = k1 - k0 + pick(4, 5);
    std::vector<float> tile(static_cast<size_t>((n1 - n0) * stride), 77.0f);
    format().decode_tile(q, {n0, n1, k0, k1}, tile.data(), stride);
    for (int64_t i = n0; i < n1; ++i)
      for (int64_t j = k0; j < k0 + stride; ++j) {
        const float got = tile[static_cast<size_t>((i - n0) * stride + j - k0)];
        ASSERT_EQ(got, j < k1 ? whole.as<float>()[i * k + j] : 77.0f)
            << i << ", " << j;  // nothing beyond the tile
      }
  }
}

TEST_P(OnIntegerGrid, CodesAndParametersGiveTheDecodedValues) {
  const IntegerGrid& grid = *format().grid;
  const int64_t n = 5, k = 576;
  const QuantizedTensor q = encode(format(), random_values(n * k, 0.05f), k).q;
  const Tensor whole = q.decode();
  const int64_t k0 = 64;
  std::vector<uint8_t> codes(static_cast<size_t>(n * k));
  format().codes_tile(q, {0, n, k0, k}, codes.data(), k);
  std::vector<float> scales(static_cast<size_t>(n));
  std::vector<int32_t> zeros(static_cast<size_t>(n));
  for (int64_t j = k0; j < k; ++j) {
    format().group_parameters(q, 0, n, j / grid.group_size(k), scales.data(), zeros.data());
    for (int64_t i = 0; i < n; ++i) {
      const int code = codes[static_cast<size_t>(i * k + j - k0)];
      EXPECT_LT(code, 1 << grid.bits);
      EXPECT_GE(zeros[static_cast<size_t>(i)], 0);
      EXPECT_LT(zeros[static_cast<size_t>(i)], 1 << grid.bits);
      if (!grid.zero_points) {
        EXPECT_EQ(zeros[static_cast<size_t>(i)], grid.middle());
      }
      const float value =
          scales[static_cast<size_t>(i)] * static_cast<float>(code - zeros[static_cast<size_t>(i)]);
      ASSERT_EQ(value, whole.as<float>()[i * k + j]) << i << ", " << j;
    }
  }
}

TEST_P(OnIntegerGrid, TheErrorIsAtMostHalfAStep) {
  if (is_book(format())) return;
  const IntegerGrid& grid = *format().grid;
  const int64_t n = 8, k = 576;
  const auto values = random_values(n * k, 0.05f);
  const Encoded out = encode(format(), values, k);
  const Tensor decoded = out.q.decode();
  std::vector<float> scales(static_cast<size_t>(n));
  std::vector<int32_t> zeros(static_cast<size_t>(n));
  EXPECT_EQ(out.report.clipped, 0);
  for (int64_t j = 0; j < k; ++j) {
    format().group_parameters(out.q, 0, n, j / grid.group_size(k), scales.data(), zeros.data());
    for (int64_t i = 0; i < n; ++i) {
      const float step = std::fabs(scales[static_cast<size_t>(i)]);
      // Rounding the scale to f16 moves the code's value by up to 2^-11 of it: 16 (or 256) codes
      // from the zero point at most. Codes that come from the unrounded scale (GGUF), and extremes,
      // are off by so much more. With a signed scale there is no code for the extreme of the
      // other sign (q4_0 and q5_0 are so too): it is off by a whole step.
      const bool whole = format().scale_rules.empty()
                             ? GetParam() == "q4_0" || GetParam() == "q5_0"
                             : format().scale_rules.front() == ScaleRule::signed_;
      const float reach = whole ? 1.0f : 0.5f;
      const float slack = static_cast<float>(1 << grid.bits) * 0x1p-11f;
      ASSERT_LE(std::fabs(decoded.as<float>()[i * k + j] - values[static_cast<size_t>(i * k + j)]),
                step * (reach + slack))
          << i << ", " << j;
    }
  }
}

TEST_P(Conformance, BitsPerWeightCountEverythingThatIsStored) {
  const std::map<std::string, double> nominal = {{"f32", 32},
                                                 {"f16", 16},
                                                 {"bf16", 16},
                                                 {"fp8_e4m3_row", 8 + 32.0 / 512},
                                                 {"fp8_e4m3_tensor", 8 + 32.0 / (3 * 512)},
                                                 {"fp8_e4m3_g128", 8.25},
                                                 {"fp8_e4m3_block128", 8 + 32.0 / (3 * 128)},
                                                 {"mxfp8", 8.25},
                                                 {"mxfp6_e3m2", 6.25},
                                                 {"mxfp4", 4.25},
                                                 {"nvfp4", 4.5 + 32.0 / (3 * 512)},
                                                 {"nf4", 4.5},
                                                 {"nf4_dq", 4.125 + 64.0 / (3 * 512)},
                                                 {"int8_tensor", 8 + 16.0 / (3 * 512)},
                                                 {"int8_row", 8 + 16.0 / 512},
                                                 {"int8_row_asym", 8 + 24.0 / 512},
                                                 {"int4_g16_asym", 5.25},
                                                 {"int3_g64", 3.25},
                                                 {"int2_g256", 2.0625},
                                                 // codes, 3-bit codes, the 16 rows' halves, rows
                                                 {"spqr3_g16", 8.0 * (576 + 72 + 256 + 16) / 1536},
                                                 {"spqr4_g16", 8.0 * (768 + 72 + 256 + 16) / 1536},
                                                 {"int4_g32", 4.5},
                                                 {"int4_g128", 4.125},
                                                 {"int4_g128_asym", 4.15625},
                                                 // the same, and 4 bytes an input
                                                 {"int4_g128_act_order", 8.0 * (798 + 2048) / 1536},
                                                 {"q4_0", 4.5},
                                                 {"q4_1", 5},
                                                 {"q8_0", 8.5},
                                                 {"q5_0", 5.5},
                                                 {"q5_1", 6},
                                                 {"q2_k", 2.625},
                                                 {"q3_k", 3.4375},
                                                 {"q4_k", 4.5},
                                                 {"q5_k", 5.5},
                                                 {"q6_k", 6.5625},
                                                 {"iq4_nl", 4.5},
                                                 {"iq4_xs", 4.25},
                                                 {"iq3_s", 3.4375},
                                                 {"iq3_xxs", 3.0625},
                                                 {"iq2_s", 2.5625},
                                                 {"iq2_xs", 2.3125},
                                                 {"iq2_xxs", 2.0625},
                                                 {"iq1_s", 1.5625},
                                                 {"iq1_m", 1.75},
                                                 {"tq1_0", 1.6875},
                                                 {"tq2_0", 2.0625},
                                                 {"gguf_mxfp4", 4.25},
                                                 {"gguf_nvfp4", 4.5}};
  const auto expected = nominal.find(GetParam());
  const QuantizedTensor q = QuantizedTensor::allocate(format(), 3, 512);
  if (expected != nominal.end()) {
    EXPECT_EQ(q.bits_per_weight(), expected->second);
  }
  EXPECT_EQ(bits_per_weight(format(), 3, 512), q.bits_per_weight());
  int64_t bytes = 0;
  const auto specs = format().planes(3, 512, format().scale_dtype);
  for (size_t p = 0; p < specs.size(); ++p) {
    EXPECT_EQ(q.planes[p].shape(), specs[p].shape);
    EXPECT_EQ(q.planes[p].dtype(), specs[p].dtype);
    bytes += q.planes[p].bytes();
  }
  EXPECT_EQ(bytes, q.bytes());
}

// 576 = 4 * 128 + 64: the last group's scale comes from its own weights alone.
TEST_P(Conformance, AShorterLastGroupIsAGroupOfItsOwn) {
  if (format().scale_block.columns == 0) return;  // one group a row: there is no last one
  if (format().prepare != nullptr) return;        // the other weights count too
  const int64_t n = 4, k = 576;
  if (k % format().block != 0) return;  // nor can one be shorter
  auto values = random_values(n * k, 0.05f);
  for (int64_t i = 0; i < n; ++i)
    values[static_cast<size_t>(i * k + 500)] = 9.0f;  // an extreme of the group before
  std::vector<float> tail;
  for (int64_t i = 0; i < n; ++i) {
    const auto row = values.begin() + i * k;
    tail.insert(tail.end(), row + 512, row + k);
  }
  const Tensor whole = encode(format(), values, k).q.decode(),
               alone = encode(format(), tail, 64).q.decode();
  for (int64_t i = 0; i < n; ++i)
    EXPECT_EQ(std::memcmp(whole.as<float>() + i * k + 512, alone.as<float>() + i * 64,
                          64 * sizeof(float)),
              0);
}

TEST_P(Conformance, ZerosDecodeToZeros) {
  const Encoded out = encode(format(), std::vector<float>(3 * 256, 0.0f), 256);
  for (const float value : values_of(out.q.decode())) EXPECT_EQ(value, 0.0f);
  if (!format().plain) {
    const auto [rows, columns, flat] = format().scale_block;
    EXPECT_EQ(out.report.zero_groups, (rows == 1 ? 3 : 1) * (columns == 0 ? 1 : 256 / columns));
  }
  EXPECT_EQ(out.report.flushed_groups, 0);
}

TEST_P(Conformance, NonfiniteWeightsAreCounted) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    auto values = random_values(4 * 256, 0.05f);
    EXPECT_EQ(encode(format(), values, 256).report.nonfinite, 0);
    values[300] = values[900] = bad;  // rows 1 and 3
    EXPECT_EQ(encode(format(), values, 256).report.nonfinite, 2) << bad;
  }
}

TEST_P(Conformance, WhatTheStoredTypeCannotHoldIsCounted) {
  auto values = random_values(2 * 256, 0.05f);
  EXPECT_EQ(encode(format(), values, 256).report.overflowed_scales, 0);
  // f32 holds it, and f32 scales of it; rounded to bf16, or divided by a code and rounded to f16,
  // it is beyond the range.
  values[40] = std::numeric_limits<float>::max();
  const bool held =
      format().plain ? format().plain == DType::f32 : format().scale_dtype != DType::f16;
  EXPECT_EQ(encode(format(), values, 256).report.overflowed_scales, held ? 0 : 1);
}

// The least half is 2^-24; half of it rounds to zero.
TEST_P(OnIntegerGrid, GroupsTooSmallForTheirScaleAreCounted) {
  if (format().scale_dtype != DType::f16) return;
  auto values = random_values(2 * 256, 0.05f);
  for (size_t i = 256; i < 512; ++i) values[i] = 0x1p-40f * random_normal(5, 6, i);
  const Encoded out = encode(format(), values, 256);
  // of a tensor that has larger weights there is one group, which is not small
  EXPECT_EQ(out.report.flushed_groups,
            format().scale_block.rows == 0 ? 0 : 256 / format().grid->group_size(256));
  EXPECT_EQ(out.report.zero_groups, 0);
  const auto decoded = values_of(out.q.decode());
  for (size_t i = 256; i < 512; ++i) EXPECT_EQ(decoded[i], 0.0f);
}

// Among the subnormal halves the scale loses bits: 1.4 * 2^-24 is stored as 2^-24, and the extremes
// lie 1.4 times as many steps out as the grid reaches.
TEST_P(OwnInteger, WeightsBeyondTheGridAreCounted) {
  const IntegerGrid& grid = *format().grid;
  const ScaleRule rule = format().scale_rules.front();
  const bool narrow = rule == ScaleRule::narrow;
  const auto middle = static_cast<float>(grid.middle());
  const float steps = grid.zero_points             ? 2 * middle - 1
                      : narrow                     ? middle - 1
                      : rule == ScaleRule::signed_ ? middle
                                                   : middle - 0.5f;
  const float extreme = steps * 1.49f;  // in steps: the scale is rounded to 2^-24
  const float highest = grid.zero_points ? 2 * middle - 1 : middle - 1;
  const float lowest = grid.zero_points ? 0 : narrow ? 1 - middle : -middle;
  std::vector<float> values(128, 0.0f);
  values[5] = extreme * 0x1p-24f;
  values[6] = grid.zero_points ? 0 : -extreme * 0x1p-24f;
  values[7] = 1.2f * 0x1p-24f;
  const Encoded out = encode(format(), values, 128);
  // two and three bits leave some ends less than a step beyond the last code
  EXPECT_EQ(out.report.clipped,
            (extreme - highest >= 1) + (!grid.zero_points && extreme + lowest >= 1));
  EXPECT_GE(out.report.clipped, grid.bits == 2 && narrow ? 0 : 1);
  const auto decoded = values_of(out.q.decode());
  EXPECT_EQ(decoded[5], highest * 0x1p-24f);
  EXPECT_EQ(decoded[6], lowest * 0x1p-24f);
  EXPECT_EQ(decoded[7], 0x1p-24f);
}

TEST_P(OwnInteger, AZeroGroupHasScaleOne) {
  for (const float tiny : {0.0f, 0x1p-60f}) {  // of zeros, and flushed
    const Encoded out = encode(format(), std::vector<float>(256, tiny), 256);
    float scale = 0;
    int32_t zero = -1;
    format().group_parameters(out.q, 0, 1, 0, &scale, &zero);
    EXPECT_EQ(scale, 1.0f);
    std::vector<uint8_t> codes(256);
    format().codes_tile(out.q, {0, 1, 0, 256}, codes.data(), 256);
    for (const uint8_t code : codes) EXPECT_EQ(code, zero);
  }
}

// Scales of a foreign checkpoint keep their type.
TEST_P(OwnInteger, ScalesMayBeOfAnyFloatType) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    const auto values = random_values(2 * 256, 0.05f);
    const Encoded out = encode(format(), values, 256, default_rule(format()), dtype);
    EXPECT_EQ(out.q.planes[1].dtype(), dtype);
    float scale = 0;
    int32_t zero = 0;
    format().group_parameters(out.q, 0, 1, 0, &scale, &zero);
    const auto* stored = reinterpret_cast<const uint16_t*>(out.q.planes[1].data());
    if (dtype == DType::f16) {
      EXPECT_EQ(scale, f32_from_f16(*stored));
    }
    if (dtype == DType::bf16) {
      EXPECT_EQ(scale, f32_from_bf16(*stored));
    }
    if (dtype == DType::f32) {
      EXPECT_EQ(scale, out.q.planes[1].as<float>()[0]);
    }
    const Tensor decoded = out.q.decode();
    const int64_t group = format().grid->group_size(256);
    for (int64_t i = 0; i < group; ++i)
      EXPECT_NEAR(decoded.as<float>()[i], values[static_cast<size_t>(i)],
                  std::fabs(scale) * (0.5f + 256 * 0x1p-8f));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Conformance,
                         ::testing::ValuesIn(names_of([](const Format&) { return true; })),
                         name_itself);
INSTANTIATE_TEST_SUITE_P(All, OnIntegerGrid, ::testing::ValuesIn(names_of([](const Format& f) {
                           return f.grid.has_value();
                         })),
                         name_itself);
INSTANTIATE_TEST_SUITE_P(All, OwnInteger, ::testing::ValuesIn(names_of(is_own_integer)),
                         name_itself);

}  // namespace
}  // namespace farthing
