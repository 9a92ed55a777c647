// Ranges of static activations: what each method promises of the values that it saw.
#include "eval/calibration/input_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "formats/scale_rule.h"

namespace farthing {
namespace {

// Normal, and one of a thousand thirty times as large.
std::vector<float> with_outliers(int64_t count) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(random_normal(1, 1, static_cast<uint64_t>(i)) * (i % 1000 == 7 ? 30.0f : 1.0f));
  return out;
}

SeenInput seen(const std::vector<float>& values) {
  SeenInput out;
  out.add(
      {values.data(), 1, static_cast<int64_t>(values.size()), static_cast<int64_t>(values.size())},
      true);
  return out;
}

TEST(InputHistogram, DoesNotDependOnTheOrder) {
  std::vector<float> values = with_outliers(5000);
  values.insert(values.begin(), {0.0f, 0.0f});
  const SeenInput whole = seen(values);
  SeenInput pieces;
  std::sort(values.begin(), values.end(),
            [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  for (size_t i = 0; i < values.size(); i += 2) pieces.add({values.data() + i, 1, 2, 2}, true);
  EXPECT_EQ(pieces.histogram.width(), whole.histogram.width());
  EXPECT_EQ(pieces.histogram.positive(), whole.histogram.positive());
  EXPECT_EQ(pieces.histogram.negative(), whole.histogram.negative());
  int64_t count = 0;
  for (const auto* side : {&whole.histogram.positive(), &whole.histogram.negative()})
    for (const int64_t each : *side) count += each;
  EXPECT_EQ(count, 5002);
}

TEST(ChosenRange, APercentileHoldsItsShare) {
  const std::vector<float> values = with_outliers(100000);
  const SeenInput all = seen(values);
  for (const double percentile : {90.0, 99.0, 99.9}) {
    const Extremes range =
        chosen_range(all, Activations::int8_static, {RangeMethod::percentile, percentile});
    const auto beyond = std::count_if(values.begin(), values.end(),
                                      [&](float x) { return std::fabs(x) > range.amax(); });
    // a bin is a 2048th of a range below 256, 0.125 wide: at a density of at most 0.8 a tenth
    EXPECT_LE(beyond, (100 - percentile) / 100 * 100000);
    EXPECT_GE(beyond, (100 - percentile) / 100 * 100000 - 0.125 * 0.8 * 100000);
  }
}

double int8_error(const std::vector<float>& values, const Extremes& range) {
  const double scale = static_cast<double>(range.amax()) / 127;
  double error = 0;
  for (const float x : values) {
    const double code = std::clamp(std::nearbyint(static_cast<double>(x) / scale), -127.0, 127.0);
    error += std::pow(static_cast<double>(x) - code * scale, 2);
  }
  return error;
}

TEST(ChosenRange, MseBeatsTheExtremesInTheSquaredError) {
  const std::vector<float> values = with_outliers(100000);
  const SeenInput all = seen(values);
  const Extremes range = chosen_range(all, Activations::int8_static, {RangeMethod::mse});
  EXPECT_LT(int8_error(values, range), 0.9 * int8_error(values, all));
  double least = int8_error(values, all);
  for (int i = 1; i < 64; ++i) {
    Extremes tried;
    tried.high = all.amax() * static_cast<float>(i) / 64;
    tried.low = -tried.high;
    least = std::min(least, int8_error(values, tried));
  }
  // bins in place of values: half a bin, a 4096th of the range, where a step is a 127th of it
  EXPECT_LT(int8_error(values, range), 1.05 * least);
}

TEST(ChosenRange, EntropyCutsRareOutliersAndKeepsAnEvenSpread) {
  std::vector<float> values = with_outliers(100000);
  const Extremes range =
      chosen_range(seen(values), Activations::int8_static, {RangeMethod::entropy});
  EXPECT_LT(range.amax(), 0.5f * seen(values).amax());
  EXPECT_GT(range.amax(), 3.0f);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.999f * (2 * static_cast<float>(i) / static_cast<float>(values.size()) - 1);
  const SeenInput even = seen(values);
  EXPECT_EQ(chosen_range(even, Activations::int8_static, {RangeMethod::entropy}).amax(),
            even.amax());
}

TEST(ChosenRange, AnAsymmetricRangeKeepsItsShortSide) {
  std::vector<float> values = with_outliers(10000);
  for (float& each : values) each = std::max(each, -0.25f);
  const SeenInput all = seen(values);
  const Extremes range =
      chosen_range(all, Activations::int8_static_asym, {RangeMethod::percentile, 99});
  EXPECT_EQ(range.low, all.low);
  EXPECT_LT(range.high, all.high);
}

TEST(ChosenRange, ZerosAloneGiveZero) {
  const SeenInput zeros = seen(std::vector<float>(64));
  for (const auto method : {RangeMethod::percentile, RangeMethod::mse, RangeMethod::entropy})
    EXPECT_EQ(chosen_range(zeros, Activations::int8_static, {method}).amax(), 0.0f);
}

}  // namespace
}  // namespace farthing
