// Tokenizers of the folder ../shared give the tokens of llama.cpp and of Hugging Face's tokenizers.
#include <gtest/gtest.h>

#include "io/gguf/gguf.h"
#include "model/gguf/vocabulary.h"
#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_files.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using testing::expect_same_tokens;
using testing::read_ggml_vectors;
using testing::read_vectors;

class SharedTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::shared_folder().empty()) GTEST_SKIP() << "needs the folder ../shared";
  }
  static std::string path(const std::string& name) { return testing::shared_folder() + "/" + name; }
  static Tokenizer from_json(const std::string& name) {
    return tokenizer_from_json(testing::read_whole_file(path(name)), name).value();
  }
  static Result<Tokenizer> from_gguf(const std::string& name) {
    const std::string file = path("tokenizers/ggml-vocab/ggml-vocab-" + name + ".gguf");
    return tokenizer_from_gguf(TRY(gguf_vocabulary(TRY(GgufFile::open(file)).metadata(), file)));
  }
  static void expect_decoded(const Tokenizer& tokenizer, const std::string& vectors) {
    for (const auto& [text, ids] : read_vectors(vectors)) {
      EXPECT_EQ(tokenizer.decode(ids, {.skip_special_tokens = false}), text)
          << ::testing::PrintToString(ids);
    }
  }
  static std::vector<testing::Vector> ggml(const std::string& name) {
    const std::string base = path("tokenizers/ggml-vocab/ggml-vocab-" + name + ".gguf");
    return read_ggml_vectors(base + ".inp", base + ".out");
  }
};

TEST_F(SharedTokenizer, Llama3GivesTheTokensOfLlamaCpp) {
  EXPECT_GT(expect_same_tokens(from_json("tokenizers/llama3/tokenizer.json"), ggml("llama-bpe")),
            40);
}

TEST_F(SharedTokenizer, Llama3AgreesWithHuggingFace) {
  const Tokenizer tokenizer = from_json("tokenizers/llama3/tokenizer.json");
  EXPECT_GT(expect_same_tokens(tokenizer, read_vectors("llama3.vectors")), 200);
  expect_decoded(tokenizer, "llama3.decoded");
}

TEST_F(SharedTokenizer, Qwen3GivesTheTokensOfLlamaCppForQwen2) {
  EXPECT_GT(expect_same_tokens(from_json("tokenizers/qwen3/tokenizer.json"), ggml("qwen2")), 40);
}

TEST_F(SharedTokenizer, Qwen3AgreesWithHuggingFace) {
  const Tokenizer tokenizer = from_json("tokenizers/qwen3/tokenizer.json");
  EXPECT_GT(expect_same_tokens(tokenizer, read_vectors("qwen3.vectors")), 200);
  expect_decoded(tokenizer, "qwen3.decoded");
}

TEST_F(SharedTokenizer, TinyStoriesAgreesWithHuggingFace) {
  const Tokenizer tokenizer = from_json("models/TinyStories-656K/tokenizer.json");
  EXPECT_GT(expect_same_tokens(tokenizer, read_vectors("tinystories-656k.vectors")), 200);
  expect_decoded(tokenizer, "tinystories-656k.decoded");
}

TEST_F(SharedTokenizer, GgufVocabulariesGiveTheTokensOfLlamaCpp) {
  for (const char* name : {"bert-bge", "deepseek-coder", "deepseek-llm", "falcon", "gpt-2",
                           "llama-spm", "mpt", "phi-3", "refact", "starcoder"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = from_gguf(name);
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
    EXPECT_GT(expect_same_tokens(*tokenizer, ggml(name)), 40);
  }
}

TEST_F(SharedTokenizer, Llama2ModelGivesTheTokensOfLlamaCppAndOfSentencePiece) {
  const std::string name = "tokenizers/llama2/tokenizer.model";
  const Tokenizer tokenizer =
      tokenizer_from_sentencepiece(testing::read_whole_file(path(name)), name).value();
  EXPECT_GT(expect_same_tokens(tokenizer, ggml("llama-spm")), 40);
  EXPECT_GT(
      expect_same_tokens(tokenizer, read_vectors("llama-spm.vectors"), {.parse_special = false}),
      200);
}

TEST_F(SharedTokenizer, Gpt2VocabAndMergesGiveTheTokensOfLlamaCppAndOfHuggingFace) {
  const std::string folder = path("tokenizers/gpt2/");
  const Tokenizer tokenizer =
      tokenizer_from_vocab_and_merges(testing::read_whole_file(folder + "vocab.json"),
                                      testing::read_whole_file(folder + "merges.txt"), folder)
          .value();
  EXPECT_GT(expect_same_tokens(tokenizer, ggml("gpt-2")), 40);
  EXPECT_GT(expect_same_tokens(tokenizer, read_vectors("gpt-2.vectors")), 200);
}

// There are no vectors for these.
TEST_F(SharedTokenizer, OtherGgufVocabulariesOpen) {
  for (const char* name : {"baichuan", "gpt-neox"}) {
    const auto tokenizer = from_gguf(name);
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("Hello, world! 3.14")), "Hello, world! 3.14");
  }
}

TEST_F(SharedTokenizer, Llama3AsGgufGivesTheSameTokensAsItsJson) {
  const Tokenizer from_file = from_json("tokenizers/llama3/tokenizer.json");
  const tokenizer::Spec& spec = from_file.spec();
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "llama-bpe";
  vocabulary.tokens = spec.tokens;
  vocabulary.types.assign(spec.tokens.size(), 1);
  for (const auto& token : spec.added) vocabulary.types[token.id] = 3;
  for (const auto& merge : spec.merges) {
    vocabulary.merges.push_back(spec.tokens[merge.left] + " " + spec.tokens[merge.right]);
  }
  const auto tokenizer = tokenizer_from_gguf(vocabulary);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
  EXPECT_GT(expect_same_tokens(*tokenizer, read_vectors("llama3.vectors")), 200);
  EXPECT_GT(expect_same_tokens(*tokenizer, ggml("llama-bpe")), 40);
}

}  // namespace
}  // namespace farthing
