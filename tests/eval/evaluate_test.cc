// Tests of the evaluation loop and of the three sources of the baseline's logits, with a scorer
// that is a formula.
#include "eval/evaluate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "io/npy.h"

namespace farthing {
namespace {
namespace fs = std::filesystem;

// Logits are random numbers of (token, position), plus `noise` times others.
class FormulaScorer : public Scorer {
 public:
  FormulaScorer(int64_t vocabulary, float noise) : vocabulary_(vocabulary), noise_(noise) {}
  int64_t vocabulary_size() const override { return vocabulary_; }
  Result<> score(std::span<const int32_t> window, View<float, 2> logits) override {
    for (int64_t i = 0; i < logits.rows; ++i)
      for (int64_t j = 0; j < logits.columns; ++j) {
        const auto stream = static_cast<uint64_t>(window[static_cast<size_t>(i)]),
                   index = static_cast<uint64_t>(j);
        logits.row(i)[j] =
            3 * random_normal(1, stream, index) + noise_ * random_normal(2, stream, index);
      }
    return {};
  }

 private:
  int64_t vocabulary_;
  float noise_;
};

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest()
      : folder_(fs::temp_directory_path() /
                ("farthing_evaluate_test_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    std::vector<int32_t> tokens(60);
    std::iota(tokens.begin(), tokens.end(), 3);
    windows_ = *Windows::cut(std::move(tokens), {.tokens = 60, .context = 12}, "text");
  }
  ~EvaluateTest() override { fs::remove_all(folder_); }
  ScoredWindows run(Scorer& scorer, const EvaluateOptions& options) {
    auto out = evaluate(context_.get(), scorer, windows_, options, progress_);
    if (out) return *out;
    ADD_FAILURE() << out.error().text();
    return {windows_.scored(), {}};
  }

  fs::path folder_;
  ContextOwner context_{2, Isa::portable};
  Windows windows_;
  NoProgress progress_;
  FormulaScorer base_{100, 0}, model_{100, 0.5f};
};

void expect_same(const ScoredWindows& a, const ScoredWindows& b) {
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (size_t i = 0; i < a.tokens.size(); ++i) {
    EXPECT_EQ(a.tokens[i].nll, b.tokens[i].nll);
    EXPECT_EQ(a.tokens[i].kl, b.tokens[i].kl);
    EXPECT_EQ(a.tokens[i].top1, b.tokens[i].top1);
  }
}

TEST_F(EvaluateTest, ScoresEveryPositionThatHasANextToken) {
  const ScoredWindows scores = run(base_, {});
  ASSERT_EQ(scores.count(), 5);
  ASSERT_EQ(scores.per_window, 11);
  Tensor logits(DType::f32, {12, 100});
  ASSERT_TRUE(base_.score(windows_[3], logits.view<float>()));
  const float* row = logits.view<float>().row(7);
  double z = 0;
  for (int j = 0; j < 100; ++j) z += std::exp(static_cast<double>(row[j]));
  // Logits are below 18, sums of 100 terms in double: 1e-12 is 1000 times their rounding.
  EXPECT_NEAR(scores.window(3)[7].nll, std::log(z) - row[windows_[3][8]], 1e-12);
}

TEST_F(EvaluateTest, RunningSpilledAndSavedBaselinesGiveTheSameScores) {
  auto spill = SpilledBaseline::create(folder_, windows_, 100);
  ASSERT_TRUE(spill) << spill.error().text();
  auto writer = NpyWriter::create(folder_ / "logits.npy", {5, 12, 100});
  ASSERT_TRUE(writer);
  const auto sink = [&](int64_t window, View<const float, 2> logits) -> Result<> {
    TRY(spill->write(window, logits.rows_from(0, windows_.scored())));
    return writer->write({logits.data, static_cast<size_t>(logits.rows * logits.columns)});
  };
  run(base_, {.baseline = nullptr, .sink = sink});
  ASSERT_TRUE(writer->commit());
  RunningBaseline running(base_, windows_.context());
  auto saved = SavedBaseline::open(folder_ / "logits.npy", windows_, 100);
  ASSERT_TRUE(saved) << saved.error().text();

  const ScoredWindows scores = run(model_, {.baseline = &running});
  expect_same(run(model_, {.baseline = &*spill}), scores);
  expect_same(run(model_, {.baseline = &*saved}), scores);
  EXPECT_GT(summarize(scores).kl_mean.value, 0.01);
}

TEST_F(EvaluateTest, TheSpillHasNoNameOnDisk) {
  const auto spill = SpilledBaseline::create(folder_, windows_, 100);
  ASSERT_TRUE(spill);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(EvaluateTest, ASpillThatDoesNotFitIsAnErrorAtOnce) {
  // 55 positions of 2^45 floats: 7.7 petabytes.
  const auto spill = SpilledBaseline::create(folder_, windows_, int64_t{1} << 45);
  ASSERT_FALSE(spill);
  EXPECT_NE(spill.error().where.find(folder_.string()), std::string::npos);
  EXPECT_FALSE(spill.error().remedy.empty());
}

TEST_F(EvaluateTest, SavedLogitsOfOtherWindowsAreRefused) {
  auto writer = NpyWriter::create(folder_ / "logits.npy", {5, 11, 100});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write(std::vector<float>(5500)));
  ASSERT_TRUE(writer->commit());
  const auto saved = SavedBaseline::open(folder_ / "logits.npy", windows_, 100);
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().wanted.find("[5, 12, 100]"), std::string::npos);
}

TEST_F(EvaluateTest, AnotherVocabularyIsRefused) {
  FormulaScorer other(101, 0);
  RunningBaseline running(other, windows_.context());
  EXPECT_FALSE(evaluate(context_.get(), model_, windows_, {.baseline = &running}, progress_));
}

TEST_F(EvaluateTest, ASinkThatFailsEndsTheEvaluation) {
  const auto sink = [](int64_t, View<const float, 2>) -> Result<> {
    return fail({"disk full", {}, {}, {}, {}});
  };
  const auto out =
      evaluate(context_.get(), model_, windows_, {.baseline = nullptr, .sink = sink}, progress_);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().what, "disk full");
}

}  // namespace
}  // namespace farthing
