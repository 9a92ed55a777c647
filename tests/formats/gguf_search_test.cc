// The searches for scales of GGUF's K types and IQ4_XS: every instruction set gives the portable
// one's bits, and a block's bytes do not depend on the blocks that are searched beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/random.h"
#include "formats/gguf/search/block_searches.h"
#include "formats/support/encoded.h"

namespace farthing::gguf {
namespace {

constexpr int lanes = 16, n = 32;  // the longest sub-blocks; shorter ones use the first rows

// Sub-blocks side by side: ordinary ones of several sizes, one of zeros, of one sign, of one value,
// with an outlier, of equal magnitudes, and with numbers at the ends of their range.
struct Lanes16 {
  alignas(64) float x[n * lanes], w[n * lanes];
  explicit Lanes16(uint64_t seed) {
    for (int i = 0; i < n; ++i) {
      for (int lane = 0; lane < lanes; ++lane) {
        const auto at = static_cast<uint64_t>(i * lanes + lane);
        const float normal = random_normal(7, seed, at);
        float& value = x[at];
        value = std::ldexp(normal, lane % 4 - 8);
        if (lane == 4) value = 0;
        if (lane == 5) value = std::fabs(normal);
        if (lane == 6) value = -std::fabs(normal);
        if (lane == 7) value = -0.3f;
        if (lane == 8 && i == 3) value = 4;
        if (lane == 9) value = normal > 0 ? 0.3f : -0.3f;
        if (lane == 10) value = std::ldexp(normal, -130);
        if (lane == 11) value = std::ldexp(normal, 24);
        if (lane == 12) value = i % 2 == 0 ? 0.0f : -0.0f;
        w[at] = seed % 2 == 0 ? value * value : std::fabs(random_normal(8, seed, at));
        if (lane == 13) w[at] = 0;
      }
    }
  }
};

template <class T>
bool same(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

struct ScaledResult {
  alignas(64) float fitted[lanes];
  ScaleTrial trial;
  alignas(64) float codes[n * lanes];
};
void run(const ScaledSearch& search, const Lanes16& of, ScaledResult& to) {
  std::memset(&to, 0, sizeof to);
  search.fit(of.x, of.w, to.fitted);
  alignas(64) float d[lanes], scales[lanes];
  for (int j = 0; j < lanes; ++j) d[j] = j == 15 ? 0.0f : to.fitted[j / 8 * 8] / -20.0f;
  search.refine(of.x, of.w, d, to.fitted, -32, 31, 3, to.trial);
  for (int j = 0; j < lanes; ++j) scales[j] = d[j] * to.trial.scales[j];
  search.codes(of.x, scales, to.codes);
}

struct RangedResult {
  alignas(64) float scales[lanes], minimums[lanes];
  RangeTrial trial;
  alignas(64) float codes[n * lanes];
};
void run(const RangedSearch& search, const Lanes16& of, RangedResult& to) {
  std::memset(&to, 0, sizeof to);
  search.fit(of.x, of.w, to.scales, to.minimums);
  alignas(64) float d[lanes], dmin[lanes], scales[lanes], minimums[lanes];
  for (int j = 0; j < lanes; ++j) {
    d[j] = j == 15 ? 0.0f : to.scales[j / 8 * 8] / 40.0f;
    dmin[j] = j == 14 ? 0.0f : to.minimums[j / 8 * 8] / 40.0f;
  }
  search.refine(of.x, of.w, d, dmin, to.scales, to.minimums, 63, 2, to.trial);
  for (int j = 0; j < lanes; ++j) {
    scales[j] = d[j] * to.trial.scales[j];
    minimums[j] = dmin[j] * to.trial.minimums[j];
  }
  search.codes(of.x, scales, minimums, to.codes);
}

template <class Result, class Search>
void expect_same(Search BlockSearches::*of, const char* name) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Lanes16 values(seed);
    static Result portable, other;
    run(block_searches_portable.*of, values, portable);
    for (const float code : portable.codes) ASSERT_TRUE(code >= 0 && code < 64) << name;
    for (const Isa isa : supported_isas()) {
      run(block_searches(isa).*of, values, other);
      ASSERT_TRUE(same(portable, other)) << name << ", " << isa_name(isa) << ", seed " << seed;
    }
  }
}

TEST(GgufSearch, EveryInstructionSetGivesThePortableBits) {
  expect_same<RangedResult>(&BlockSearches::q2_k, "q2_k");
  expect_same<RangedResult>(&BlockSearches::q4_k, "q4_k");
  expect_same<RangedResult>(&BlockSearches::q5_k, "q5_k");
  expect_same<ScaledResult>(&BlockSearches::q3_k, "q3_k");
  expect_same<ScaledResult>(&BlockSearches::q6_k, "q6_k");
  expect_same<ScaledResult>(&BlockSearches::iq4, "iq4");
}

// Sub-blocks share neither a lane nor a sum: the sixteen in another order give the same results in
// that order.
TEST(GgufSearch, ALaneDoesNotDependOnItsPlace) {
  const Lanes16 values(3);
  Lanes16 turned(3);
  for (int i = 0; i < n * lanes; ++i) {
    const int to = i / lanes * lanes + (i + 5) % lanes;
    turned.x[to] = values.x[i];
    turned.w[to] = values.w[i];
  }
  alignas(64) float a[lanes], b[lanes], c[lanes], d[lanes];
  block_searches().q4_k.fit(values.x, values.w, a, b);
  block_searches().q4_k.fit(turned.x, turned.w, c, d);
  for (int j = 0; j < lanes; ++j) {
    EXPECT_TRUE(same(a[j], c[(j + 5) % lanes]) && same(b[j], d[(j + 5) % lanes])) << j;
  }
}

class SearchedInBatches : public ::testing::TestWithParam<std::string> {};

// An odd number of blocks, among them one of zeros and one that is refused: row by row, and at
// once.
TEST_P(SearchedInBatches, ABlockDoesNotDependOnTheBlocksBesideIt) {
  const Format& format = *find_format(GetParam());
  const int64_t rows = 5, k = 768;
  auto values = random_values(rows * k, 0.05f);
  std::fill_n(values.begin() + 256, 256, 0.0f);
  values[2 * k + 300] = NAN;
  std::vector<float> importance = random_values(k, 1.0f, 9);
  for (float& of_column : importance) of_column = std::fabs(of_column);
  for (const float* of : {static_cast<const float*>(nullptr), std::as_const(importance).data()}) {
    QuantizedTensor whole = QuantizedTensor::allocate(format, rows, k);
    QuantizedTensor parts = QuantizedTensor::allocate(format, rows, k);
    const auto encode = [&](QuantizedTensor& to, Tile tile) {
      const float* from = values.data() + tile.n0 * k + tile.k0;
      const ScaleRule rule = default_rule(format);
      return of == nullptr ? format.encode_tile(to, tile, from, k, rule)
                           : format.search_tile(to, tile, from, k, rule, of + tile.k0);
    };
    const EncodeReport at_once = encode(whole, {0, rows, 0, k});
    EncodeReport one_by_one;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t begin = 0; begin < k; begin += 256)
        one_by_one += encode(parts, {row, row + 1, begin, begin + 256});
    EXPECT_EQ(at_once.nonfinite, 1);
    EXPECT_EQ(at_once.zero_groups, 1);
    EXPECT_EQ(one_by_one.nonfinite, 1);
    EXPECT_EQ(one_by_one.zero_groups, 1);
    EXPECT_TRUE(same_planes(whole, parts));
  }
}

INSTANTIATE_TEST_SUITE_P(All, SearchedInBatches,
                         ::testing::Values("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing::gguf
