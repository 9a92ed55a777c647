// The factors of pairs in GGUF files of Llama 3.1 and later are recognised for what config.json
// says.
#include "model/gguf/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/checkpoint.h"
#include "model/support/families.h"

namespace farthing {
namespace {

// As llama.cpp's converter computes them, in double.
std::vector<float> divisors(double theta, int dim, double factor, double length) {
  std::vector<float> out;
  for (int i = 0; i < dim / 2; ++i) {
    const double wave = 2 * M_PI * std::pow(theta, 2.0 * i / dim);
    const double smooth = std::clamp((length / wave - 1) / 3, 0.0, 1.0);
    out.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
  }
  return out;
}

TEST(GgufRope, FactorsOfReleasedModelsAreLlama3s) {
  EXPECT_EQ(llama3_factor(divisors(500000, 128, 8, 8192), 500000), 8.0);
  EXPECT_EQ(llama3_factor(divisors(500000, 64, 32, 8192), 500000), 32.0);
}

TEST(GgufRope, OtherFactorsAreNot) {
  EXPECT_EQ(llama3_factor(divisors(500000, 128, 8, 4096), 500000), std::nullopt);
  EXPECT_EQ(llama3_factor(std::vector<float>{1, 2, 3, 4}, 10000), std::nullopt);
  EXPECT_EQ(llama3_factor(std::vector<float>{}, 10000), std::nullopt);
  auto changed = divisors(500000, 128, 8, 8192);
  changed[40] *= 1.001f;
  EXPECT_EQ(llama3_factor(changed, 500000), std::nullopt);
}

TEST(LongRope, AModelWithTwoListsIsCutToTheLengthOfTheShortOne) {
  for (const char* file : {"", "model.gguf"}) {
    const auto checkpoint = Checkpoint::open(testing::family_path("phi3_long") / file);
    ASSERT_TRUE(checkpoint) << checkpoint.error().text();
    EXPECT_EQ((*checkpoint)->config().max_positions, 256) << file;
  }
}

// Llama's divisors as one list for all lengths.
TEST(LongRope, AModelWithOneListKeepsItsLength) {
  const auto checkpoint = Checkpoint::open(testing::family_path("llama") / "model.gguf");
  ASSERT_TRUE(checkpoint) << checkpoint.error().text();
  EXPECT_EQ((*checkpoint)->config().plan.ropes[0].parameters.scaling, RopeScaling::factors);
  EXPECT_EQ((*checkpoint)->config().max_positions, 128);
}

}  // namespace
}  // namespace farthing
