// The tokenizers of the folder ../shared as vocabularies of GGUF files: the same tokens.
#include <gtest/gtest.h>

#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_files.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using testing::read_vectors;

// Writes a tokenizer as a vocabulary, and compares what is read of that by texts: with what it
// gives without its normal form, which has no key.
void expect_written_as(const Tokenizer& from, const std::string& model, const std::string& pre,
                       const std::string& vectors) {
  const auto vocabulary = gguf_vocabulary_of(from, "a test");
  ASSERT_TRUE(vocabulary.has_value()) << vocabulary.error().text();
  EXPECT_EQ(vocabulary->model, model);
  EXPECT_EQ(vocabulary->pre, pre);
  tokenizer::Spec spec = from.spec();
  std::erase_if(spec.normalizers, [](const tokenizer::NormalizerStep& step) {
    return std::holds_alternative<tokenizer::NormalForm>(step);
  });
  const Tokenizer tokenizer = make_tokenizer(std::move(spec), "a test").value();
  const Tokenizer again = tokenizer_from_gguf(*vocabulary).value();
  int compared = 0;
  for (const auto& vector : read_vectors(vectors)) {
    EXPECT_EQ(again.encode(vector.text), tokenizer.encode(vector.text)) << vector.text;
    EXPECT_EQ(again.encode(vector.text, {.add_special_tokens = true}),
              tokenizer.encode(vector.text, {.add_special_tokens = true}));
    ++compared;
  }
  EXPECT_GT(compared, 100);
}

class SharedVocabulary : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::shared_folder().empty()) GTEST_SKIP() << "needs the folder ../shared";
  }
  static std::string file(const std::string& name) {
    return testing::read_whole_file(testing::shared_folder() + "/" + name);
  }
  static Tokenizer json(const std::string& name) {
    return tokenizer_from_json(file(name), name).value();
  }
};

TEST_F(SharedVocabulary, Llama3) {
  expect_written_as(json("tokenizers/llama3/tokenizer.json"), "gpt2", "llama-bpe",
                    "llama3.vectors");
}
TEST_F(SharedVocabulary, Qwen3) {
  expect_written_as(json("tokenizers/qwen3/tokenizer.json"), "gpt2", "qwen2", "qwen3.vectors");
}
TEST_F(SharedVocabulary, Llama2OfSentencePiece) {
  const std::string name = "tokenizers/llama2/tokenizer.model";
  expect_written_as(tokenizer_from_sentencepiece(file(name), name).value(), "llama", "default",
                    "llama-spm.vectors");
}
// Its merges are those that training met: two tokens may be a third one together without a merge,
// and no scores of tokens say so.
TEST_F(SharedVocabulary, TinyStoriesIsRefused) {
  const auto out = gguf_vocabulary_of(json("models/TinyStories-656K/tokenizer.json"), "a test");
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().got, "1967 merges that no scores of tokens give");
}

}  // namespace
}  // namespace farthing
