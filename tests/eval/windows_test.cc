// Tests of how a text becomes windows.
#include "eval/windows.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "model/checkpoint.h"

namespace farthing {
namespace {

std::vector<int32_t> counting(size_t count) {
  std::vector<int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

TEST(Windows, FollowEachOtherWithoutOverlap) {
  const auto windows = Windows::cut(counting(100), {.tokens = 40, .context = 10}, "text");
  ASSERT_TRUE(windows);
  ASSERT_EQ(windows->count(), 4);
  EXPECT_EQ(windows->scored(), 9);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*windows)[i].size(), 10u);
    EXPECT_EQ((*windows)[i].front(), 10 * i);
    EXPECT_EQ((*windows)[i].back(), 10 * i + 9);
  }
  EXPECT_EQ(windows->protocol(), "4 windows of 10 tokens, no overlap, no BOS, 9 of each scored");
}

TEST(Windows, FewerThanAskedForAreNamedInTheProtocol) {
  const auto windows = Windows::cut(counting(29), {.tokens = 40, .context = 10}, "text");
  ASSERT_TRUE(windows);
  EXPECT_EQ(windows->count(), 2);
  EXPECT_NE(windows->protocol().find("too short for the 4 windows"), std::string::npos)
      << windows->protocol();
}

TEST(Windows, ATextShorterThanOneWindowIsRefused) {
  const auto windows = Windows::cut(counting(9), {.tokens = 40, .context = 10}, "short.txt");
  ASSERT_FALSE(windows);
  EXPECT_EQ(windows.error().where, "short.txt");
  EXPECT_EQ(windows.error().got, "9 tokens");
  EXPECT_EQ(windows.error().wanted, "at least 10 tokens, one window");
  EXPECT_FALSE(windows.error().remedy.empty());
}

TEST(Windows, AnEmptyTextIsRefused) {
  const auto windows = Windows::cut({}, {}, "empty.txt");
  ASSERT_FALSE(windows);
  EXPECT_EQ(windows.error().what, "the text is empty");
}

TEST(Windows, SizesThatHoldNoScoredPositionAreRefused) {
  EXPECT_FALSE(Windows::cut(counting(9), {.tokens = 9, .context = 1}, "text"));
  EXPECT_FALSE(Windows::cut(counting(9), {.tokens = 4, .context = 5}, "text"));
  EXPECT_FALSE(Windows::cut(counting(9), {.tokens = 4, .context = -5}, "text"));
}

TEST(Windows, OfALongTextAreThoseOfItsFirstTokens) {
  const auto checkpoint = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
  ASSERT_TRUE(checkpoint) << checkpoint.error().text();
  const auto tokenizer = (*checkpoint)->tokenizer();
  const auto text = load_text(std::nullopt);
  ASSERT_TRUE(tokenizer && text);
  const auto all = tokenizer->encode(text->text, {.parse_special = false});
  const auto windows = Windows::of_text(*tokenizer, *text, {.tokens = 1024, .context = 128}, 512);
  ASSERT_TRUE(windows) << windows.error().text();
  ASSERT_EQ(windows->count(), 8);
  for (int64_t i = 0; i < 1024; ++i)
    ASSERT_EQ((*windows)[i / 128][static_cast<size_t>(i % 128)], all[static_cast<size_t>(i)]) << i;
  // A model with fewer tokens than its tokenizer is an error, not a read beyond its embedding.
  EXPECT_FALSE(Windows::of_text(*tokenizer, *text, {.tokens = 1024, .context = 128}, 100));
}

TEST(EvaluationText, WithoutAFileItIsTheExcerptInTheRepository) {
  const auto built_in = load_text(std::nullopt);
  const auto file = load_text(FARTHING_SOURCE_DIR "/data/wikitext-2/eval.txt");
  ASSERT_TRUE(built_in);
  ASSERT_TRUE(file);
  EXPECT_EQ(built_in->text, file->text);
  EXPECT_EQ(built_in->digest, file->digest);
  EXPECT_EQ(built_in->digest.size(), 32u);
}

TEST(EvaluationText, AMissingFileIsAnError) { EXPECT_FALSE(load_text("no/such/file.txt")); }

}  // namespace
}  // namespace farthing
