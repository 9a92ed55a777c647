// GGUF's block types against committed vectors of the package gguf and of libggml
// (data/make_golden_gguf.py).
#include <gtest/gtest.h>

#include "formats/support/gguf_golden.h"

namespace farthing {
namespace {

class GoldenGguf : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
  const testing::GgufGolden golden_{FARTHING_SOURCE_DIR
                                    "/tests/formats/data/golden_gguf.safetensors"};
};
class EncodedGguf : public GoldenGguf {};
class SearchedGguf : public GoldenGguf {};

TEST_P(GoldenGguf, RandomBlocksDecodeToTheBitsOfThePackage) {
  const Tensor ours = golden_.matrix(format(), ".random").decode(),
               theirs = golden_.tensor(GetParam() + ".random.decoded");
  ASSERT_EQ(ours.shape().text(), theirs.shape().text());
  const int64_t at = testing::first_difference(ours, theirs);
  EXPECT_EQ(at, -1) << "block " << at / format().block << ", element " << at % format().block
                    << ": " << ours.as<float>()[at] << ", wanted " << theirs.as<float>()[at];
}

TEST_P(EncodedGguf, EncodesToTheBytesOfThePackage) {
  const Tensor theirs = golden_.tensor(GetParam() + ".blocks");
  const int64_t at = testing::first_difference(golden_.encoded(format()).planes[0], theirs);
  EXPECT_EQ(at, -1) << "row " << at / theirs.shape()[1] << ", byte " << at % theirs.shape()[1];
}

TEST_P(SearchedGguf, TheErrorIsNotAboveThatOfLibggml) {
  const auto ours = golden_.error(golden_.encoded(format()));
  const auto theirs = golden_.error(golden_.matrix(format(), ".blocks"));
  EXPECT_LE(ours.weighted, theirs.weighted);
  EXPECT_GT(ours.weighted, 0);
}

std::vector<std::string> all_names() {
  std::vector<std::string> out(std::begin(testing::gguf_with_a_rule),
                               std::end(testing::gguf_with_a_rule));
  out.insert(out.end(), std::begin(testing::gguf_with_a_search),
             std::end(testing::gguf_with_a_search));
  return out;
}
const auto name_itself = [](const auto& info) { return info.param; };

INSTANTIATE_TEST_SUITE_P(All, GoldenGguf, ::testing::ValuesIn(all_names()), name_itself);
INSTANTIATE_TEST_SUITE_P(All, EncodedGguf, ::testing::ValuesIn(testing::gguf_with_a_rule),
                         name_itself);
INSTANTIATE_TEST_SUITE_P(All, SearchedGguf, ::testing::ValuesIn(testing::gguf_with_a_search),
                         name_itself);

// A type of GGUF that no vector checks is a type that nobody checked.
TEST(GoldenGgufTypes, EveryTypeWithOneHasVectors) {
  const auto names = all_names();
  for (const Format& format : all_formats()) {
    if (format.gguf_type < 0 || format.plain) continue;
    const bool elsewhere = format.name == "q4_0" || format.name == "q4_1" || format.name == "q8_0";
    EXPECT_TRUE(elsewhere || std::count(names.begin(), names.end(), format.name) == 1)
        << format.name;
  }
}

}  // namespace
}  // namespace farthing
