// A tokenizer.json written from a GGUF vocabulary gives the same tokens as the vocabulary.
#include <gtest/gtest.h>

#include "text/support/fixtures.h"
#include "text/tokenizer_files.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using testing::read_vectors;
using testing::read_vocabulary;

Tokenizer written_and_read(const Tokenizer& tokenizer) {
  return tokenizer_from_json(tokenizer_to_json(tokenizer), "tokenizer.json").value();
}

class WrittenTokenizer : public ::testing::TestWithParam<std::string> {};

TEST_P(WrittenTokenizer, GivesTheSameTokensAndText) {
  const Tokenizer from_gguf =
      tokenizer_from_gguf(read_vocabulary(GetParam() + ".vocabulary")).value();
  const Tokenizer from_json = written_and_read(from_gguf);
  EXPECT_EQ(from_json.vocab_size(), from_gguf.vocab_size());
  for (const auto& [text, ids] : read_vectors(GetParam() + ".vectors")) {
    for (const bool parse : {false, true}) {
      const EncodeOptions options{.add_special_tokens = true, .parse_special = parse};
      const auto tokens = from_gguf.encode(text, options);
      EXPECT_EQ(from_json.encode(text, options), tokens) << text;
      EXPECT_EQ(from_json.decode(tokens), from_gguf.decode(tokens));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, WrittenTokenizer, ::testing::Values("gpt-2", "smollm2", "llama-spm"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

class WrittenSentencePiece : public ::testing::TestWithParam<std::string> {};

TEST_P(WrittenSentencePiece, GivesTheSameTokensAndText) {
  const std::string file = "sentencepiece/" + GetParam();
  const Tokenizer from_file =
      tokenizer_from_sentencepiece(testing::read_data(file + ".model"), GetParam()).value();
  const Tokenizer from_json = written_and_read(from_file);
  for (const auto& [text, ids] : read_vectors(file + ".vectors")) {
    // A tokenizer.json cannot say that no text becomes a token of a byte.
    if (text.find("<0x") != std::string::npos) continue;
    EXPECT_EQ(from_json.encode(text, {.parse_special = false}), ids) << text;
    EXPECT_EQ(from_json.decode(ids), from_file.decode(ids));
  }
}

// Hugging Face's files cannot say that a prefix stands before an added token.
INSTANTIATE_TEST_SUITE_P(All, WrittenSentencePiece, ::testing::Values("bpe", "unigram_bytes"),
                         [](const auto& info) { return info.param; });

GgufVocabulary tiny() {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"a", "b", "ab", "<s>", "</s>"};
  vocabulary.types = {1, 1, 1, 3, 3};
  vocabulary.merges = {"a b"};
  vocabulary.bos = 3;
  vocabulary.eos = 4;
  return vocabulary;
}

TEST(TokenizerJsonWriter, TokensPutAroundATextAreWritten) {
  GgufVocabulary vocabulary = tiny();
  vocabulary.add_bos = true;
  vocabulary.add_eos = true;
  const Tokenizer tokenizer = written_and_read(tokenizer_from_gguf(vocabulary).value());
  EXPECT_EQ(tokenizer.encode("ab", {.add_special_tokens = true}),
            std::vector<std::int32_t>({3, 2, 4}));
  EXPECT_EQ(tokenizer.encode("ab"), std::vector<std::int32_t>({2}));
}

TEST(TokenizerJsonWriter, EveryPreTokenizerIsWritten) {
  const std::string text = "a1b22 ab333 'll a\n\n bA4444";
  for (const char* pre : {"gpt-2", "default", "smollm", "llama-bpe", "qwen2", "falcon"}) {
    GgufVocabulary vocabulary = tiny();
    vocabulary.pre = pre;
    const Tokenizer tokenizer = tokenizer_from_gguf(vocabulary).value();
    EXPECT_EQ(written_and_read(tokenizer).encode(text), tokenizer.encode(text)) << pre;
  }
}

TEST(TokenizerJsonWriter, QuotesAndControlCharactersSurvive) {
  GgufVocabulary vocabulary = tiny();
  const std::vector<std::string> odd = {"\"",   "\\",     "\n", "\x01",
                                        "\x7F", "\u2028", "{}", "<|\"\\\n|>"};
  for (const std::string& text : odd) {
    vocabulary.tokens.push_back(text);
    vocabulary.types.push_back(4);
  }
  const Tokenizer tokenizer = written_and_read(tokenizer_from_gguf(vocabulary).value());
  for (std::size_t i = 0; i < odd.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(odd[i]),
              std::vector<std::int32_t>({static_cast<std::int32_t>(5 + i)}));
  }
}

}  // namespace
}  // namespace farthing
