// Formats whose inputs say their group: codes as in the format whose groups are runs, values by
// the group that an input names.
#include <gtest/gtest.h>

#include "formats/input_groups.h"
#include "formats/support/encoded.h"

namespace farthing {
namespace {

class ActOrder : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
  // The format of the same codes, scales and zeros in runs.
  const Format& runs() const {
    std::string name = GetParam();
    return *find_format(name.replace(name.find("_act_order"), std::string::npos, "_asym"));
  }
  static bool same_but_groups(const QuantizedTensor& q, const QuantizedTensor& in_runs) {
    bool same = q.planes.size() == 4 && in_runs.planes.size() == 3;
    for (size_t p = 0; same && p < 3; ++p) same = same_bytes(q.planes[p], in_runs.planes[p]);
    return same;
  }
  static constexpr int64_t n = 5, k = 300;  // the last group is shorter
};

TEST_P(ActOrder, EncodesRunsOfInputsAsTheFormatInRuns) {
  const auto values = random_values(n * k, 0.05f);
  const Encoded ours = encode(format(), values, k), theirs = encode(runs(), values, k);
  EXPECT_TRUE(same_but_groups(ours.q, theirs.q));
  EXPECT_TRUE(same_bytes(ours.q.decode(), theirs.q.decode()));
  const int64_t size = format().scale_block.columns;
  for (int64_t i = 0; i < k; ++i) EXPECT_EQ(ours.q.planes[3].as<int32_t>()[i], i / size) << i;
}

TEST_P(ActOrder, SearchesTheScalesOfTheFormatInRuns) {
  const auto values = random_values(n * k, 0.05f);
  const std::vector<float> importance(k, 1.0f);
  ThreadPool alone(1);
  QuantizedTensor ours = QuantizedTensor::allocate(format(), n, k),
                  theirs = QuantizedTensor::allocate(runs(), n, k);
  ours.encode_searched(alone, values.data(), k, ScaleRule::min_max, importance.data());
  theirs.encode_searched(alone, values.data(), k, ScaleRule::min_max, importance.data());
  EXPECT_TRUE(same_but_groups(ours, theirs));
}

// More groups than a table on the stack has, and a tile in the middle of a row.
TEST_P(ActOrder, ATileOfARowOfManyGroupsDecodesAsThePartOfTheWhole) {
  const int64_t size = format().scale_block.columns, wide = 600 * size;
  QuantizedTensor q = encode(format(), random_values(2 * wide, 0.05f), wide).q;
  const QuantizedTensor in_runs = encode(runs(), random_values(2 * wide, 0.05f), wide).q;
  EXPECT_TRUE(same_bytes(q.decode(), in_runs.decode()));
  std::vector<float> tile(100);
  format().decode_tile(q, {1, 2, 64, 164}, tile.data(), 100);
  EXPECT_EQ(std::memcmp(tile.data(), in_runs.decode().as<float>() + wide + 64, 400), 0);
}

TEST_P(ActOrder, AnInputHasTheScaleAndTheZeroOfItsGroup) {
  const auto values = random_values(n * k, 0.05f);
  QuantizedTensor q = encode(format(), values, k).q;
  const QuantizedTensor in_runs = encode(runs(), values, k).q;
  const int64_t size = format().scale_block.columns, groups = (k + size - 1) / size;
  auto* group = q.planes[3].as<int32_t>();
  for (int64_t i = 0; i < k; ++i) group[i] = static_cast<int32_t>((i * 7 + i / 11) % groups);
  EXPECT_TRUE(check_input_groups(q, "a weight"));
  std::vector<uint8_t> codes(k);
  const Tensor decoded = q.decode();
  for (int64_t row = 0; row < n; ++row) {
    runs().codes_tile(in_runs, {row, row + 1, 0, k}, codes.data(), k);
    for (int64_t i = 0; i < k; ++i) {
      float scale = 0;
      int32_t zero = 0;
      runs().group_parameters(in_runs, row, row + 1, group[i], &scale, &zero);
      ASSERT_EQ(decoded.as<float>()[row * k + i],
                scale * static_cast<float>(codes[static_cast<size_t>(i)] - zero))
          << row << ", " << i;
    }
  }
}

TEST_P(ActOrder, AGroupThatThereIsNotIsNamed) {
  QuantizedTensor q = QuantizedTensor::allocate(format(), n, k);
  const int64_t size = format().scale_block.columns, groups = (k + size - 1) / size;
  for (const int64_t bad : {int64_t{-1}, groups}) {
    q.planes[3].as<int32_t>()[77] = static_cast<int32_t>(bad);
    const auto checked = check_input_groups(q, "file, tensor w");
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().what, "an input lies in a group that there is not");
    EXPECT_EQ(checked.error().where, "file, tensor w.groups, input 77");
    EXPECT_EQ(checked.error().got, "group " + std::to_string(bad));
    EXPECT_TRUE(checked.error().wanted.starts_with("0.." + std::to_string(groups - 1)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, ActOrder, ::testing::ValuesIn(names_of(has_input_groups)),
                         name_itself);

}  // namespace
}  // namespace farthing
