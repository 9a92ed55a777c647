// The loop of generation, on a model whose logits are known and on the small real one.
#include "engine/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/progress.h"
#include "model/support/models.h"
#include "model/support/stub_model.h"

namespace farthing {
namespace {

Context& context() {
  static ContextOwner owner(2, supported_isas().back());
  return owner.get();
}

// Eight tokens and six positions; behind token t, token t + 1 (mod 8) is certain.
class CountingModel : public testing::StubModel {
 public:
  explicit CountingModel(float logit = 100) : StubModel(8, 6), logit_(logit) {}
  void write_logits(int32_t token, float* row) const override { row[(token + 1) % 8] = logit_; }

 private:
  float logit_;
};

std::vector<int32_t> ids(const Generation& made) {
  std::vector<int32_t> out;
  for (const SampledToken& token : made.tokens) out.push_back(token.id);
  return out;
}

bool go_on(const SampledToken&) { return true; }

using Ids = std::vector<int32_t>;

TEST(Generate, EndsAfterTheWantedTokens) {
  const auto made = generate(context(), CountingModel(), {.prompt = {2}, .most_tokens = 3}, go_on);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(ids(*made), (Ids{3, 4, 5}));
  EXPECT_EQ(made->finish, Finish::most_tokens);
}

TEST(Generate, NoTokensCanBeWanted) {
  const auto made = generate(context(), CountingModel(), {.prompt = {2}, .most_tokens = 0}, go_on);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_TRUE(made->tokens.empty());
}

TEST(Generate, EndsBeforeAStopToken) {
  const auto made = generate(context(), CountingModel(),
                             {.prompt = {2}, .most_tokens = 5, .stop_tokens = {4, 7}}, go_on);
  ASSERT_TRUE(made);
  EXPECT_EQ(ids(*made), Ids{3});
  EXPECT_EQ(made->finish, Finish::stop_token);
}

TEST(StopTokens, AreTheModelsAndTheTokenizersEosEachOnce) {
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  const Tokenizer tokenizer = from->tokenizer().value();
  ASSERT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(stop_tokens_of(from->config(), tokenizer), (Ids{1, 2}));
  ModelConfig config = from->config();
  config.stop_tokens = {7};
  EXPECT_EQ(stop_tokens_of(config, tokenizer), (Ids{7, 2}));
}

TEST(Generate, EndsWhenTheContextIsFull) {
  // Six positions hold the prompt of 2 and four tokens; a fifth is made from the last position and
  // not fed back.
  const auto made =
      generate(context(), CountingModel(), {.prompt = {0, 1}, .most_tokens = 100}, go_on);
  ASSERT_TRUE(made);
  EXPECT_EQ(ids(*made), (Ids{2, 3, 4, 5, 6}));
  EXPECT_EQ(made->finish, Finish::context_full);
}

TEST(Generate, EndsWhenTheCallerHasEnough) {
  Ids seen;
  const auto made =
      generate(context(), CountingModel(), {.prompt = {0}}, [&](const SampledToken& token) {
        seen.push_back(token.id);
        return seen.size() < 2;
      });
  ASSERT_TRUE(made);
  EXPECT_EQ(seen, (Ids{1, 2}));
  EXPECT_EQ(ids(*made), seen);
  EXPECT_EQ(made->finish, Finish::caller);
}

// The same logits behind every token: 5, 6, 7 and the rest have 4, 3, 2.5 and 0.
class StubbornModel : public CountingModel {
 public:
  void write_logits(int32_t, float* row) const override {
    const float values[] = {0, 0, 0, 0, 0, 4, 3, 2.5f};
    std::copy_n(values, 8, row);
  }
};

TEST(Generate, ThePenaltySeesEveryTokenThatWasMade) {
  // Halved: 5 has 2, then 6 has 1.5, so 7 with 2.5 is next; then 5 is the best of the halved ones.
  const auto made = generate(
      context(), StubbornModel(),
      {.prompt = {0}, .sampling = {.temperature = 0, .repetition_penalty = 2}, .most_tokens = 4},
      go_on);
  ASSERT_TRUE(made);
  EXPECT_EQ(ids(*made), (Ids{5, 6, 7, 5}));
}

TEST(Generate, RefusesWhatIsNoPrompt) {
  EXPECT_FALSE(generate(context(), CountingModel(), {.prompt = {}}, go_on));
  EXPECT_FALSE(generate(context(), CountingModel(), {.prompt = {8}}, go_on));
  EXPECT_FALSE(generate(context(), CountingModel(), {.prompt = {-1}}, go_on));
  EXPECT_TRUE(generate(context(), CountingModel(), {.prompt = {0, 1, 2, 3, 4, 5}}, go_on));
  const auto made = generate(context(), CountingModel(), {.prompt = {0, 1, 2, 3, 4, 5, 6}}, go_on);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().got, "7 tokens");
  EXPECT_EQ(made.error().wanted, "at most 6 tokens");
}

TEST(Generate, NanLogitsAreAnError) {
  const auto made = generate(context(), CountingModel(std::numeric_limits<float>::quiet_NaN()),
                             {.prompt = {0}}, go_on);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().got, "1 NaN among 8 logits");
}

TEST(Generate, ContinuingATextAgreesWithOnePromptOfAllItsTokens) {
  const auto model = testing::stories260k(context());
  // A prompt of more than one piece of 256 tokens.
  Ids prompt;
  for (int32_t i = 0; i < 300; ++i) prompt.push_back(3 + i * 37 % 500);
  const auto greedy = [&](const Ids& tokens, int64_t most_tokens) {
    return generate(context(), *model,
                    {.prompt = tokens, .sampling = {.temperature = 0}, .most_tokens = most_tokens},
                    go_on);
  };
  const auto whole = greedy(prompt, 20);
  ASSERT_TRUE(whole);
  // Any beginning of the result, taken as the prompt, leads to the same rest with the same bits.
  for (const size_t cut : {1u, 7u, 19u}) {
    Ids longer = prompt;
    for (size_t i = 0; i < cut; ++i) longer.push_back(whole->tokens[i].id);
    const auto rest = greedy(longer, 20 - static_cast<int64_t>(cut));
    ASSERT_TRUE(rest);
    ASSERT_EQ(rest->tokens.size(), 20 - cut);
    for (size_t i = 0; i < rest->tokens.size(); ++i) {
      EXPECT_EQ(rest->tokens[i].id, whole->tokens[cut + i].id);
      EXPECT_EQ(rest->tokens[i].log_probability, whole->tokens[cut + i].log_probability);
    }
  }
}

TEST(Generate, LogProbabilitiesAreThoseOfTheWholeSequence) {
  const auto model = testing::stories260k(context());
  const Ids prompt{1, 403, 407};
  const auto made = generate(context(), *model,
                             {.prompt = prompt, .sampling = {.seed = 4}, .most_tokens = 30}, go_on);
  ASSERT_TRUE(made);
  Ids sequence = prompt;
  for (const SampledToken& token : made->tokens) sequence.push_back(token.id);
  const int64_t n = model->config().vocabulary_size, m = static_cast<int64_t>(sequence.size());
  Tensor logits(DType::f32, {m, n});
  Sequence state = model->new_sequence(m);
  model->forward(context(), state, sequence, logits.view<float>());
  for (size_t i = 0; i < made->tokens.size(); ++i) {
    const float* row = logits.view<float>().row(static_cast<int64_t>(prompt.size() + i) - 1);
    const auto again = next_token_distribution(context(), {row, static_cast<size_t>(n)}, {}, {});
    ASSERT_TRUE(again);
    for (const Candidate& candidate : *again) {
      if (candidate.token != made->tokens[i].id) continue;
      // Two ways to the same number: exp and a division against a subtraction of a logarithm, each
      // within 2^-22 of it.
      EXPECT_NEAR(std::log(candidate.probability), made->tokens[i].log_probability, 0x1p-18);
    }
  }
}

}  // namespace
}  // namespace farthing
