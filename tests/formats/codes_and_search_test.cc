// What algorithms rely on in every format: codes put back one by one, levels, searched scales.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "formats/levels.h"
#include "formats/outliers.h"
#include "formats/support/encoded.h"

namespace farthing {
namespace {

class CodesAndSearch : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
};

// Codes that are put back give the bytes that they came from.
TEST_P(CodesAndSearch, PutCodesIsTheInverseOfCodes) {
  if (format().put_codes == nullptr) return;
  const int64_t n = 32 * rows_of_tile(format(), 576), k = fitting(format(), 576);
  const QuantizedTensor q = encode(format(), random_values(n * k, 0.05f), k).q;
  std::vector<uint8_t> codes(static_cast<size_t>(n * (k + 3)));
  (format().elements ? format().elements->codes : format().codes_tile)(q, {0, n, 0, k},
                                                                       codes.data(), k + 3);
  QuantizedTensor other = encode(format(), random_values(n * k, 0.05f, 2), k).q;
  ASSERT_FALSE(same_planes(q, other));
  format().put_codes(other, 0, n, codes.data(), k + 3);
  std::vector<uint8_t> again(codes.size(), 0);
  (format().elements ? format().elements->codes : format().codes_tile)(other, {0, n, 0, k},
                                                                       again.data(), k + 3);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) {
      const auto at = static_cast<size_t>(i * (k + 3) + j);
      ASSERT_EQ(again[at], codes[at]) << i << ", " << j;
    }
}

// Every code's level under its group's parameters is the decoded value, to the last bit.
TEST_P(CodesAndSearch, LevelsAndParametersGiveTheDecodedValues) {
  const auto levels = levels_of(format(), default_rule(format()));
  EXPECT_EQ(levels.empty(), format().put_codes == nullptr);
  if (levels.empty()) return;
  for (size_t i = 1; i < levels.size(); ++i) EXPECT_LT(levels[i - 1].value, levels[i].value);
  const int64_t n = 7, k = fitting(format(), 576);
  QuantizedTensor q = encode(format(), random_values(n * k, 0.05f), k).q;
  if (has_outliers(format())) put_outliers(q, {});  // which have no level
  const Tensor decoded = q.decode();
  const int64_t length = group_length(q);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      const GroupParameters at = group_parameters_at(q, i, j / length * length);
      const float value = decoded.as<float>()[i * k + j];
      const bool found = std::any_of(levels.begin(), levels.end(), [&](const CodeLevel& level) {
        return at.scale * (level.value - at.zero) + at.offset == value;
      });
      ASSERT_TRUE(found) << i << ", " << j << ": " << value;
    }
  }
}

// Every level's code can be put, and then stands for the level.
TEST_P(CodesAndSearch, EveryLevelCanBePut) {
  const auto levels = levels_of(format(), default_rule(format()));
  if (levels.empty()) return;
  const int64_t k = fitting(format(), 512);
  QuantizedTensor q = encode(format(), random_values(k, 0.05f), k).q;
  std::vector<uint8_t> codes(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j)
    codes[static_cast<size_t>(j)] = levels[static_cast<size_t>(j) % levels.size()].code;
  format().put_codes(q, 0, 1, codes.data(), k);
  if (has_outliers(format())) put_outliers(q, {});  // whose codes stand for nothing
  const Tensor decoded = q.decode();
  const int64_t length = group_length(q);
  for (int64_t j = 0; j < k; ++j) {
    const GroupParameters at = group_parameters_at(q, 0, j / length * length);
    const float level = levels[static_cast<size_t>(j) % levels.size()].value;
    ASSERT_EQ(decoded.as<float>()[j], at.scale * (level - at.zero) + at.offset) << j;
  }
}

// Columns that count a hundred times as much get smaller errors than the format's rule gives them.
TEST_P(CodesAndSearch, ASearchMakesTheWeightedErrorSmaller) {
  if (format().search_tile == nullptr) return;
  const int64_t n = 24, k = fitting(format(), 576);
  const auto values = random_values(n * k, 0.05f);
  std::vector<float> importance(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j)
    importance[static_cast<size_t>(j)] =
        random_bits(5, 1, static_cast<uint64_t>(j)) % 8 == 0 ? 100.0f : 1.0f;
  const auto error = [&](const QuantizedTensor& q) {
    const Tensor decoded = q.decode();
    double sum = 0;
    for (int64_t i = 0; i < n * k; ++i) {
      const double miss =
          static_cast<double>(decoded.as<float>()[i]) - values[static_cast<size_t>(i)];
      sum += static_cast<double>(importance[static_cast<size_t>(i % k)]) * miss * miss;
    }
    return sum;
  };
  ThreadPool alone(1), two(2);
  QuantizedTensor searched = QuantizedTensor::allocate(format(), n, k);
  const EncodeReport report =
      searched.encode_searched(alone, values.data(), k, default_rule(format()), importance.data());
  EXPECT_EQ(report.nonfinite + report.overflowed_scales, 0);
  // of q8_0 and int8 there is next to nothing to win
  const double by_rule = error(encode(format(), values, k).q);
  const bool wide = bits_per_weight(format(), n, k) > 8;
  EXPECT_LT(error(searched), (wide ? 1.0 : 0.97) * by_rule);
  QuantizedTensor again = QuantizedTensor::allocate(format(), n, k);
  again.encode_searched(two, values.data(), k, default_rule(format()), importance.data());
  EXPECT_TRUE(same_planes(searched, again));
}

// Groups of zeros, NaN, and what no scale can hold are met as encode_tile meets them.
TEST_P(CodesAndSearch, ASearchMeetsHardGroupsAsTheRuleDoes) {
  if (format().search_tile == nullptr) return;
  const int64_t k = fitting(format(), 256);
  const std::vector<float> importance(static_cast<size_t>(k), 1.0f);
  for (const float hard : {0.0f, NAN, INFINITY, 1e-44f, 3e38f}) {
    std::vector<float> values(static_cast<size_t>(k), hard);
    const Encoded plain = encode(format(), values, k);
    ThreadPool alone(1);
    QuantizedTensor searched = QuantizedTensor::allocate(format(), 1, k);
    const EncodeReport report = searched.encode_searched(alone, values.data(), k,
                                                         default_rule(format()), importance.data());
    EXPECT_EQ(report.nonfinite > 0, plain.report.nonfinite > 0) << hard;
    EXPECT_EQ(report.overflowed_scales > 0, plain.report.overflowed_scales > 0) << hard;
    EXPECT_EQ(report.zero_groups, plain.report.zero_groups) << hard;
    if (report.nonfinite + report.overflowed_scales > 0) continue;
    for (const float value : values_of(searched.decode())) EXPECT_TRUE(std::isfinite(value));
  }
}

INSTANTIATE_TEST_SUITE_P(All, CodesAndSearch,
                         ::testing::ValuesIn(names_of([](const Format&) { return true; })),
                         name_itself);

}  // namespace
}  // namespace farthing
