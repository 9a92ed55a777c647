// A context and an answer as tokens: where the border lies, and what is cut off.
#include "eval/tasks/tokenized_choice.h"

#include <gtest/gtest.h>

#include "model/checkpoint.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using Tokens = std::vector<int32_t>;

class TokenizedChoice : public ::testing::Test {
 protected:
  TokenizedChoice() {
    config_.vocabulary_size = 8;
    config_.max_positions = 100;
  }
  Result<ScoredTokens> of(std::string_view context, std::string_view answer) const {
    return tokenize_choice(tokenizer_, config_, context, answer);
  }
  void expect(std::string_view context, std::string_view answer, const Tokens& tokens,
              int64_t scored) const {
    const auto made = of(context, answer);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(made->tokens, tokens);
    EXPECT_EQ(made->scored, scored);
  }

  // Single characters, a token with a space in front, and one that joins two letters.
  Tokenizer tokenizer_ = tokenizer_from_json(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1,
      " ": 2, "c": 3, " b": 4, "ab": 5, "<s>": 6, "\n": 7}, "merges": [[" ", "b"], ["a", "b"]]},
      "added_tokens": [{"id": 6, "content": "<s>", "special": true}]})",
                                             "tokenizer.json")
                             .value();
  ModelConfig config_;
};

TEST_F(TokenizedChoice, TheAnswerIsWhatFollowsTheContextsTokens) {
  expect("a", " b", {0, 4}, 1);
  expect("a", " bc", {0, 4, 3}, 2);
}

TEST_F(TokenizedChoice, WhiteSpaceAtTheContextsEndBelongsToTheAnswer) {
  expect("a ", "b", {0, 4}, 1);
  expect("c\n", "b", {3, 7, 1}, 2);
}

// The context's own tokens stay in front, although the whole text has others.
TEST_F(TokenizedChoice, ATokenAcrossTheBorderCountsByTheNumberOfTokens) {
  expect("ca", "bc", {3, 0, 3}, 1);
}

TEST_F(TokenizedChoice, AnAnswerWithoutATokenOfItsOwnIsRefused) {
  const auto made = of("a", "b");  // "ab" is one token
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().what, "an answer has no tokens of its own");
}

TEST_F(TokenizedChoice, AnEmptyContextIsBosOrEos) {
  config_.eos_token = 3;
  expect("", "ab", {3, 5}, 1);
  config_.bos_token = 6;
  expect("", "ab", {6, 5}, 1);
}

TEST_F(TokenizedChoice, BosInFrontOfAnEmptyContextIsNotDoubled) {
  config_.bos_token = 6;
  expect("", "<s>ab", {6, 5}, 1);
}

TEST_F(TokenizedChoice, AnEmptyContextWithoutBosAndEosIsRefused) { EXPECT_FALSE(of("", "ab")); }

TEST_F(TokenizedChoice, TheFrontIsCutOffWhereTheModelsContextEnds) {
  config_.max_positions = 3;
  expect("cccca", " b", {3, 3, 0, 4}, 1);  // three are read, the last is scored alone
}

TEST_F(TokenizedChoice, AnAnswerBeyondTheModelsContextIsRefused) {
  config_.max_positions = 3;
  EXPECT_TRUE(of("a", "ccc"));
  EXPECT_FALSE(of("a", "cccc"));
}

TEST_F(TokenizedChoice, TokensThatTheModelDoesNotHaveAreRefused) {
  config_.vocabulary_size = 4;
  EXPECT_TRUE(of("a", "c"));
  EXPECT_FALSE(of("a", " b"));
}

TEST(EncodePrompt, BosIsInFrontOnce) {
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  const Tokenizer tokenizer = from->tokenizer().value();
  const Tokens tokens = encode_prompt(tokenizer, "Once");
  ASSERT_EQ(tokens[0], 1);
  ASSERT_NE(tokens[1], 1);
  const Tokens begun = encode_prompt(tokenizer, "<s>Once");
  EXPECT_EQ(begun[0], 1);
  EXPECT_NE(begun[1], 1);
}

}  // namespace
}  // namespace farthing
