// The tokenizer of models/stories260k, which tools/stories260k_to_hf.py made.
#include <gtest/gtest.h>

#include "text/support/fixtures.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

Tokenizer stories() {
  const std::string folder = FARTHING_SOURCE_DIR "/models/stories260k/";
  const auto config = tokenizer_config_from_json(
      testing::read_whole_file(folder + "tokenizer_config.json"), "tokenizer_config.json");
  return tokenizer_from_json(testing::read_whole_file(folder + "tokenizer.json"), "tokenizer.json",
                             config.value())
      .value();
}

TEST(Stories260k, GivesTheTokensOfHuggingFace) {
  EXPECT_GT(testing::expect_same_tokens(stories(), testing::read_vectors("stories260k.vectors")),
            200);
}

TEST(Stories260k, GivesTheTokensOfLlama2C) {
  // From the algorithm of llama2.c (the best-scored pair of neighbours, again and again).
  EXPECT_EQ(stories().encode("Once upon a time", {.add_special_tokens = true}),
            std::vector<std::int32_t>({1, 403, 407, 261, 378}));
}

TEST(Stories260k, DecodesAsHuggingFace) {
  const Tokenizer tokenizer = stories();
  for (const auto& [text, ids] : testing::read_vectors("stories260k.decoded")) {
    EXPECT_EQ(tokenizer.decode(ids, {.skip_special_tokens = false}), text)
        << ::testing::PrintToString(ids);
  }
}

TEST(Stories260k, SpecialTokensAreKnown) {
  EXPECT_EQ(stories().bos_id(), 1);
  EXPECT_EQ(stories().eos_id(), 2);
  EXPECT_EQ(stories().vocab_size(), 512);
}

}  // namespace
}  // namespace farthing
