// How alike two models write.
#include "workflows/free_running.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/cpu.h"
#include "engine/generate.h"
#include "model/support/models.h"

namespace farthing {
namespace {

class FreeRunningTest : public ::testing::Test {
 protected:
  FreeRunning measure(const Model& model, const FreeRunningOptions& options) {
    const auto made = free_running(owner_.get(), model, *baseline_, windows_, options, quiet_);
    EXPECT_TRUE(made) << made.error().text();
    return made.value_or(FreeRunning{});
  }
  ContextOwner owner_{2, choose_isa().value()};
  Tokenizer tokenizer_ =
      Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value()->tokenizer().value();
  Windows windows_ =
      Windows::of_text(tokenizer_, load_text({}).value(), {.tokens = 1280, .context = 128}, 512)
          .value();
  std::unique_ptr<Model> baseline_ = testing::stories260k(owner_.get());
  NoProgress quiet_;
};

TEST_F(FreeRunningTest, AModelWritesAsItselfAlsoTeacherForced) {
  const FreeRunning made = measure(*baseline_, {.tokens = 20});
  EXPECT_EQ(made.windows, 10);
  EXPECT_EQ(made.prompt, 64);
  for (const Estimate& all : {made.same_text, made.same_position, made.teacher_forced}) {
    EXPECT_EQ(all.value, 1);
    EXPECT_EQ(all.low, 1);
  }
  EXPECT_EQ(made.same_tokens.value, 20);
}

// Texts part, and differ from there; read along the baseline's text a model errs by itself each
// time.
TEST_F(FreeRunningTest, TextsPartWhereTeacherForcedAgreementStays) {
  const auto model = testing::stories260k(owner_.get(), "int3_g32");
  const FreeRunning made = measure(*model, {.tokens = 40});
  EXPECT_LT(made.same_text.value, 0.8);
  EXPECT_GE(made.same_position.value, made.same_tokens.value / 40);
  EXPECT_GT(made.teacher_forced.value, made.same_position.value + 0.1);
  EXPECT_LT(made.teacher_forced.value, 1);
}

// The first token is chosen behind the same prompt either way.
TEST_F(FreeRunningTest, OneTokenIsTheSameFreeOrForced) {
  const auto model = testing::stories260k(owner_.get(), "int2_g32");
  const FreeRunning made = measure(*model, {.tokens = 1});
  EXPECT_EQ(made.teacher_forced.value, made.same_text.value);
  EXPECT_LT(made.same_text.value, 1);
}

TEST_F(FreeRunningTest, TextsEndWithTheModelsContext) {
  EXPECT_EQ(measure(*baseline_, {.tokens = 4096, .windows = 1}).tokens, 512 - 64 + 1);
}

TEST_F(FreeRunningTest, TextsEndWhereAModelEndsThem) {
  const FreeRunning made =
      measure(*baseline_, {.tokens = 40, .stop_tokens = tokenizer_.encode(".")});
  EXPECT_GT(made.same_tokens.value, 1);
  EXPECT_LT(made.same_tokens.value, 40);
  for (const Estimate& all : {made.same_text, made.same_position, made.teacher_forced})
    EXPECT_EQ(all.value, 1);
}

TEST_F(FreeRunningTest, TheEndIsATokenWhicheverEndedIt) {
  std::vector<int32_t> every(512);
  std::iota(every.begin(), every.end(), 0);
  const auto model = testing::stories260k(owner_.get(), "int2_g32");
  const FreeRunning made = measure(*model, {.tokens = 40, .stop_tokens = every});
  EXPECT_EQ(made.same_tokens.value, 1);
  EXPECT_EQ(made.same_text.value, 1);
  EXPECT_EQ(made.teacher_forced.value, 1);
}

// Counted here from the texts.
TEST_F(FreeRunningTest, FiguresOfTextsThatEndAtDifferentPlacesAreSharesOfTheLongerOnes) {
  const auto model = testing::stories260k(owner_.get(), "int3_g32");
  const auto stop_tokens = tokenizer_.encode(".");
  const auto text_of = [&](const Model& writer, std::span<const int32_t> prompt) {
    const auto made = generate(owner_.get(), writer,
                               {.prompt = {prompt.begin(), prompt.end()},
                                .sampling = {.temperature = 0},
                                .most_tokens = 40,
                                .stop_tokens = stop_tokens},
                               [](const auto&) { return true; });
    std::vector<int32_t> out;
    for (const SampledToken& token : made->tokens) out.push_back(token.id);
    if (made->finish == Finish::stop_token) out.push_back(-1);
    return out;
  };
  double fronts = 0, shares = 0;
  int unequal = 0;
  for (int64_t w = 0; w < windows_.count(); ++w) {
    const auto prompt = windows_[w].first(64);
    const auto ours = text_of(*model, prompt), theirs = text_of(*baseline_, prompt);
    const size_t longer = std::max(ours.size(), theirs.size());
    size_t same = 0, front = 0;
    for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
      same += ours[i] == theirs[i];
      front += front == i && ours[i] == theirs[i];
    }
    fronts += static_cast<double>(front);
    shares += static_cast<double>(same) / static_cast<double>(longer);
    unequal += same > 0 && ours.size() != theirs.size();
  }
  EXPECT_GT(unequal, 0);
  const FreeRunning made = measure(*model, {.tokens = 40, .stop_tokens = stop_tokens});
  // Sums of ten numbers up to 40: a few roundings.
  EXPECT_NEAR(made.same_tokens.value, fronts / 10, 1e-12);
  EXPECT_NEAR(made.same_position.value, shares / 10, 1e-12);
}

TEST_F(FreeRunningTest, ATextThatGoesOnHasNothingOfOneThatEndsAtOnce) {
  const auto model = testing::stories260k(owner_.get(), "int2_g32");
  const auto prompt = windows_[0].first(64);
  const auto begun = generate(
      owner_.get(), *model,
      {.prompt = {prompt.begin(), prompt.end()}, .sampling = {.temperature = 0}, .most_tokens = 1},
      [](const auto&) { return true; });
  const FreeRunning made =
      measure(*model, {.tokens = 40, .windows = 1, .stop_tokens = {begun->tokens.at(0).id}});
  EXPECT_EQ(made.same_tokens.value, 0);
  EXPECT_EQ(made.same_text.value, 0);
  EXPECT_EQ(made.same_position.value, 0);
}

}  // namespace
}  // namespace farthing
