// Rounding with error feedback: every instruction set, and the plain definition.
#include "kernels/error_feedback/error_feedback.h"

#include "kernels/row_kernels.h"

namespace farthing {
namespace {

constexpr int64_t width = feedback_outputs;

struct Case {
  int64_t k;
  std::vector<float> weights, feedback, penalty, scale, inverse, zero, offset, levels, bounds;
  std::vector<int32_t> group;
  bool whole;

  Case(int64_t columns, bool with_whole, uint64_t seed) : k(columns), whole(with_whole) {
    weights = random_row(k * width, seed);
    feedback = random_row(k * k, seed + 1, 0.05f);
    for (int64_t j = 0; j < k; ++j) {
      penalty.push_back(std::fabs(random_normal(3, seed, static_cast<uint64_t>(j))));
      group.push_back(static_cast<int32_t>(j / 3 % 4));
    }
    for (int64_t i = 0; i < 4 * width; ++i) {
      scale.push_back(0.1f + 0.01f * static_cast<float>(i % 7));
      if (i == 5) scale.back() = 0;
      inverse.push_back(scale.back() == 0 ? 0.0f : 1.0f / scale.back());
      zero.push_back(static_cast<float>(i % 3));
      offset.push_back(0.01f * static_cast<float>(i % 5));
    }
    levels = whole ? std::vector<float>{-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7}
                   : std::vector<float>{-12, -8, -5, -3, -1, 0, 1.5f, 4, 9};
    for (size_t i = 1; i < levels.size(); ++i) bounds.push_back(0.5f * (levels[i - 1] + levels[i]));
  }
  struct Out {
    std::vector<float> level, errors, losses, outliers;
  };
  // limit 0: no outliers are kept apart
  Out run(const ErrorFeedbackFunctions& kernel, float limit = 0) const {
    Out out{std::vector<float>(weights.size()), std::vector<float>(weights.size()),
            std::vector<float>(static_cast<size_t>(width)), std::vector<float>(weights.size())};
    kernel.round({k, weights.data(), feedback.data(), penalty.data(), group.data(), scale.data(),
                  inverse.data(), zero.data(), offset.data(), levels.data(), bounds.data(),
                  static_cast<int64_t>(levels.size()), whole, out.level.data(), out.errors.data(),
                  out.losses.data(), limit == 0 ? nullptr : out.outliers.data(), limit});
    return out;
  }
};

TEST(ErrorFeedback, EveryInstructionSetGivesThePortableBits) {
  each_against_portable(error_feedback_kernels(), [](const auto& kernel, const auto& portable) {
    for (const int64_t k : {1, 7, 8, 9, 16, 61, 130}) {
      for (const bool whole : {true, false}) {
        const Case it(k, whole, static_cast<uint64_t>(k));
        for (const float limit : {0.0f, 0.001f}) {
          const auto a = it.run(*kernel.functions, limit), b = it.run(*portable.functions, limit);
          EXPECT_TRUE(same_bits(a.level, b.level)) << k;
          EXPECT_TRUE(same_bits(a.errors, b.errors)) << k;
          EXPECT_TRUE(same_bits(a.losses, b.losses)) << k;
          EXPECT_TRUE(same_bits(a.outliers, b.outliers)) << k;
        }
      }
    }
  });
}

// The definition, column by column.
TEST(ErrorFeedback, FollowsItsDefinition) {
  const int64_t k = 37;
  for (const bool whole : {true, false}) {
    const Case it(k, whole, 77);
    const auto got = it.run(*error_feedback_kernels().front().functions);
    for (int64_t o = 0; o < width; ++o) {
      for (int64_t j = 0; j < k; ++j) {
        float moved = 0;
        for (int64_t i = 0; i < j; ++i)
          moved = std::fma(got.errors[i * width + o], it.feedback[i * k + j], moved);
        moved = it.weights[j * width + o] + moved;
        const int64_t at = it.group[j] * width + o;
        const float x = (moved - it.offset[at]) * it.inverse[at] + it.zero[at];
        float level = it.levels[0];
        for (const float each : it.levels)
          if (std::fabs(x - each) < std::fabs(x - level)) level = each;
        ASSERT_EQ(got.level[j * width + o], level) << o << ", " << j;
        const float rounded = it.scale[at] * (level - it.zero[at]) + it.offset[at];
        ASSERT_EQ(got.errors[j * width + o], it.weights[j * width + o] - rounded);
      }
    }
  }
}

// Those whose error costs more than the limit, and no others, keep eleven bits of what they were
// moved to.
TEST(ErrorFeedback, OutliersMakeNoError) {
  const int64_t k = 37;
  const float limit = 0.001f;
  const Case it(k, true, 77);
  const auto got = it.run(*error_feedback_kernels().front().functions, limit);
  int64_t outliers = 0;
  for (int64_t o = 0; o < width; ++o) {
    for (int64_t j = 0; j < k; ++j) {
      float moved = 0;
      for (int64_t i = 0; i < j; ++i)
        moved = std::fma(got.errors[i * width + o], it.feedback[i * k + j], moved);
      moved = it.weights[j * width + o] + moved;
      const int64_t at = it.group[j] * width + o;
      const float rounded = it.scale[at] * (got.level[j * width + o] - it.zero[at]) + it.offset[at];
      const float kept = got.outliers[j * width + o];
      const bool is_outlier = (moved - rounded) * (moved - rounded) * it.penalty[j] > limit;
      ASSERT_EQ(kept == kept, is_outlier) << o << ", " << j;
      if (is_outlier) {
        ASSERT_NEAR(kept, moved, std::fabs(moved) * 0x1p-11f);  // half a unit of eleven bits
      }
      ASSERT_EQ(got.errors[j * width + o],
                it.weights[j * width + o] - (is_outlier ? kept : rounded));
      outliers += is_outlier;
    }
  }
  EXPECT_GT(outliers, 0);
  EXPECT_LT(outliers, k * width);
}

}  // namespace
}  // namespace farthing
