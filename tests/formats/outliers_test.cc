// Outliers: their planes, what a file may not hold, and the format that has them.
#include "formats/outliers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "formats/support/encoded.h"

namespace farthing {
namespace {

const Format& format() { return *find_format("spqr3_g16"); }

QuantizedTensor with(const std::vector<Outlier>& outliers, int64_t n = 3, int64_t k = 64) {
  QuantizedTensor q = QuantizedTensor::allocate(format(), n, k);
  EXPECT_EQ(put_outliers(q, outliers), 0);
  return q;
}
const std::vector<Outlier> three = {{0, 5, 1.5f}, {0, 40, -2}, {2, 63, 0.25f}};

Tensor& plane(QuantizedTensor& q, size_t which) {
  return q.planes[static_cast<size_t>(q.format->outliers) + which];
}

TEST(Outliers, TakeTheirPlacesInEveryTile) {
  const QuantizedTensor q = with(three);
  const Tensor all = q.decode();
  for (int64_t i = 0; i < 3 * 64; ++i) {
    const float wanted = i == 5 ? 1.5f : i == 40 ? -2.0f : i == 2 * 64 + 63 ? 0.25f : 0.0f;
    EXPECT_EQ(all.as<float>()[i], wanted) << i;
  }
  std::vector<float> tile(2 * 10, 9.0f);
  format().decode_tile(q, {0, 2, 32, 42}, tile.data(), 10);
  for (int64_t i = 0; i < 20; ++i)
    EXPECT_EQ(tile[static_cast<size_t>(i)], i == 8 ? -2.0f : 0.0f) << i;
}

TEST(Outliers, EachOfThemCostsFourBytes) { EXPECT_EQ(with(three).bytes() - with({}).bytes(), 12); }

TEST(Outliers, WhatAHalfCannotHoldIsCounted) {
  QuantizedTensor q = with({});
  EXPECT_EQ(put_outliers(q, three), 0);
  const std::vector<Outlier> large = {{1, 2, 7e4f}, {1, 3, -1e9f}, {1, 4, 6e4f}};
  EXPECT_EQ(put_outliers(q, large), 2);
}

TEST(Outliers, ColumnsBeyondSixteenBitsAreStored) {
  QuantizedTensor q = with({{0, 70000, 3}, {1, 1, 4}}, 2, 70016);
  EXPECT_EQ(plane(q, 1).dtype(), DType::i32);
  EXPECT_TRUE(check_outliers(q, "w"));
  EXPECT_EQ(q.decode().as<float>()[70000], 3.0f);
}

// The error of planes that `damage` changed.
template <class Damage>
std::string error_of(const Damage& damage) {
  QuantizedTensor q = with(three);
  EXPECT_TRUE(check_outliers(q, "w"));
  damage(q);
  const auto checked = check_outliers(q, "w");
  EXPECT_FALSE(checked);
  return checked ? "" : checked.error().where;
}

TEST(Outliers, RowsThatDoNotAscendToTheirNumberAreRefused) {
  const auto set = [](int64_t at, int32_t to) {
    return error_of([&](QuantizedTensor& q) { plane(q, 0).as<int32_t>()[at] = to; });
  };
  for (const auto& [at, to] :
       {std::pair<int64_t, int32_t>{0, 1}, {0, -1}, {1, 4}, {1, -2}, {2, 1}, {3, 2}, {3, 1 << 30}})
    EXPECT_EQ(set(at, to), "w.outlier_rows") << at << " " << to;
}

TEST(Outliers, ColumnsOutsideOrOutOfOrderAreRefused) {
  const auto set = [](int64_t at, uint16_t to) {
    return error_of([&](QuantizedTensor& q) { plane(q, 1).as<uint16_t>()[at] = to; });
  };
  for (const auto& [at, to] : {std::pair<int64_t, uint16_t>{0, 40}, {1, 5}, {1, 4}, {2, 64}})
    EXPECT_EQ(set(at, to), "w.outlier_columns") << at << " " << to;
}

TEST(Outliers, AsManyColumnsAsValuesAreWanted) {
  EXPECT_EQ(error_of([](QuantizedTensor& q) { plane(q, 1) = Tensor(DType::u16, {4}); }),
            "w.outlier_columns");
  EXPECT_EQ(error_of([](QuantizedTensor& q) { plane(q, 2) = Tensor(DType::f16, {2}); }),
            "w.outlier_columns");
}

// One weight forty times as large as the rest of its group is kept, and the others are encoded as
// if it were not there.
TEST(Spqr, ALargeWeightIsKeptApart) {
  auto values = random_values(32 * 128, 0.05f);
  const size_t at = 7 * 128 + 21;
  values[at] = 0;
  const Tensor without = encode(format(), values, 128).q.decode();
  values[at] = 2.0f;
  const QuantizedTensor q = encode(format(), values, 128).q;
  EXPECT_EQ(q.decode().as<float>()[at], 2.0f);
  EXPECT_GE(outlier_count(q), 1);
  double squares[2] = {};
  for (size_t i = 0; i < 16; ++i) {
    const size_t j = 7 * 128 + 16 + i;
    if (j == at) continue;
    const Tensor with_it = q.decode();
    squares[0] += std::pow(without.as<float>()[j] - values[j], 2);
    squares[1] += std::pow(with_it.as<float>()[j] - values[j], 2);
  }
  // the limit is larger than without it, so that other outliers may stay in
  EXPECT_LT(squares[1], 2 * squares[0]);
}

// Of normal weights next to none is an outlier with 4 bits, and few are with 3.
TEST(Spqr, NormalWeightsHaveFewOutliers) {
  const int64_t n = 64, k = 512;
  const auto values = random_values(n * k, 0.05f);
  const auto share = [&](const char* name) {
    return static_cast<double>(outlier_count(encode(*find_format(name), values, k).q)) /
           static_cast<double>(n * k);
  };
  EXPECT_LT(share("spqr4_g16"), 0.002);
  EXPECT_LT(share("spqr3_g16"), 0.02);
}

// The bits of the paper: b + 2 * 3 / 16 + 4 * 16 / 256 + 32 for each outlier, and one offset a row.
TEST(Spqr, BitsPerWeightAreThePapersAndTheRows) {
  const int64_t n = 64, k = 512;
  const QuantizedTensor q = encode(format(), random_values(n * k, 0.05f), k).q;
  const auto weights = static_cast<double>(n * k);
  EXPECT_DOUBLE_EQ(
      q.bits_per_weight(),
      3 + 0.375 + 0.25 + (32.0 * static_cast<double>(outlier_count(q) + n + 1)) / weights);
}

}  // namespace
}  // namespace farthing
