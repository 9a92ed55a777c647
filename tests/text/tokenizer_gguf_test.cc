// Tokenizers from GGUF vocabularies give the tokens of llama.cpp and of Hugging Face's tokenizers.
#include "text/tokenizer_gguf.h"

#include <gtest/gtest.h>

#include "text/sentencepiece/model_file.h"
#include "text/support/fixtures.h"

namespace farthing {
namespace {

using testing::expect_same_tokens;
using testing::read_ggml_vectors;
using testing::read_vectors;
using testing::read_vocabulary;

const std::string kData = FARTHING_SOURCE_DIR "/tests/text/data/";

const Tokenizer& gpt2() {
  static const Tokenizer tokenizer =
      tokenizer_from_gguf(read_vocabulary("gpt-2.vocabulary")).value();
  return tokenizer;
}
const Tokenizer& llama() {
  static const Tokenizer tokenizer =
      tokenizer_from_gguf(read_vocabulary("llama-spm.vocabulary")).value();
  return tokenizer;
}
const Tokenizer& smollm2() {
  static const Tokenizer tokenizer =
      tokenizer_from_gguf(read_vocabulary("smollm2.vocabulary")).value();
  return tokenizer;
}

TEST(GgufTokenizer, Gpt2GivesTheTokensOfLlamaCpp) {
  EXPECT_GT(expect_same_tokens(gpt2(), read_ggml_vectors(kData + "ggml.inp", kData + "gpt-2.out")),
            40);
}

TEST(GgufTokenizer, LlamaSentencePieceGivesTheTokensOfLlamaCpp) {
  EXPECT_GT(
      expect_same_tokens(llama(), read_ggml_vectors(kData + "ggml.inp", kData + "llama-spm.out")),
      40);
}

TEST(GgufTokenizer, Gpt2GivesTheTokensOfHuggingFace) {
  EXPECT_GT(expect_same_tokens(gpt2(), read_vectors("gpt-2.vectors")), 200);
}

TEST(GgufTokenizer, LlamaSentencePieceGivesTheTokensOfSentencePiece) {
  EXPECT_GT(
      expect_same_tokens(llama(), read_vectors("llama-spm.vectors"), {.parse_special = false}),
      200);
}

TEST(GgufTokenizer, Smollm2GivesTheTokensOfHuggingFace) {
  EXPECT_GT(expect_same_tokens(smollm2(), read_vectors("smollm2.vectors")), 200);
}

TEST(GgufTokenizer, Gpt2GivesTextBackUnchanged) {
  for (const auto& [text, ids] : read_vectors("gpt-2.vectors")) {
    EXPECT_EQ(gpt2().decode(ids, {.skip_special_tokens = false}), text);
  }
}

TEST(GgufTokenizer, ByteThatSmollm2LacksIsLeftOut) {
  EXPECT_FALSE(smollm2().token_id("\u0113").has_value());  // byte 0x13
  EXPECT_EQ(smollm2().decode(smollm2().encode("a\x13"
                                              "b")),
            "ab");
}

TEST(GgufTokenizer, LlamaSentencePieceGivesTextBackUnchanged) {
  for (const auto& [text, ids] : read_vectors("llama-spm.vectors")) {
    // U+2581 stands for a space in the vocabulary, so it comes back as one.
    if (text.find("\u2581") != std::string::npos) continue;
    EXPECT_EQ(llama().decode(ids), text);
  }
}

TEST(GgufTokenizer, BosIsAddedWhereTheFileSaysSo) {
  EXPECT_EQ(llama().encode("", {.add_special_tokens = true}), std::vector<std::int32_t>({1}));
  EXPECT_EQ(smollm2().encode("", {.add_special_tokens = true}), std::vector<std::int32_t>());
}

TEST(GgufTokenizer, TextDoesNotBecomeASpecialTokenUnlessAsked) {
  const auto ids = smollm2().encode("<|im_start|>", {.parse_special = false});
  EXPECT_GT(ids.size(), 1u);
  EXPECT_EQ(smollm2().encode("<|im_start|>"), std::vector<std::int32_t>({1}));
  for (const std::int32_t id : llama().encode("a</s>b<s><unk>", {.parse_special = false})) {
    EXPECT_FALSE(llama().is_special(id));
  }
}

TEST(GgufTokenizer, MergingNeverMakesAControlOrByteToken) {
  GgufVocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<s>", "<0x41>", "<", "s", ">", "s>", "<0x4", "1>"};
  vocabulary.types = {2, 3, 6, 1, 1, 1, 1, 1, 1};
  vocabulary.scores = {0, 0, 0, -1, -1, -1, -1, -1, -1};
  vocabulary.unknown = 0;
  vocabulary.add_space_prefix = false;
  const auto tokenizer = tokenizer_from_gguf(vocabulary);
  ASSERT_TRUE(tokenizer.has_value());
  EXPECT_EQ(tokenizer->encode("<s>", {.parse_special = false}), std::vector<std::int32_t>({3, 6}));
  EXPECT_EQ(tokenizer->encode("<s>"), std::vector<std::int32_t>({1}));
  EXPECT_EQ(tokenizer->encode("A"), std::vector<std::int32_t>({2}));
}

TEST(GgufTokenizer, IdsOfSpecialTokensAreKnown) {
  EXPECT_EQ(smollm2().bos_id(), 1);
  EXPECT_EQ(smollm2().eos_id(), 2);
  EXPECT_EQ(smollm2().token_id("<|im_end|>"), 2);
  EXPECT_EQ(smollm2().vocab_size(), 49152);
  EXPECT_TRUE(smollm2().is_special(2));
  EXPECT_FALSE(smollm2().is_special(17));
}

// A vocabulary as llama.cpp's converter would write it from a tokenizer.model.
GgufVocabulary t5(const std::string& name) {
  const auto model = tokenizer::parse_sentencepiece_model(
                         testing::read_data("sentencepiece/" + name + ".model"), name)
                         .value();
  GgufVocabulary vocabulary;
  vocabulary.model = "t5";
  vocabulary.tokens = model.tokens;
  vocabulary.scores = model.pieces.scores;
  vocabulary.types = model.pieces.types;
  vocabulary.charsmap = model.pieces.charsmap;
  vocabulary.add_space_prefix = model.pieces.add_prefix;
  vocabulary.remove_extra_spaces = model.pieces.remove_extra_spaces;
  vocabulary.unknown = model.unknown;
  vocabulary.eos = model.eos;
  return vocabulary;
}

TEST(GgufTokenizer, UnigramGivesTheTokensOfSentencePiece) {
  for (const char* name : {"unigram", "unigram_bytes", "unigram_spaces"}) {
    const auto tokenizer = tokenizer_from_gguf(t5(name));
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
    EXPECT_GT(expect_same_tokens(*tokenizer,
                                 read_vectors("sentencepiece/" + std::string(name) + ".vectors"),
                                 {.parse_special = false}),
              200);
  }
}

TEST(GgufTokenizer, UnigramPutsEosAfterATextUnlessTheFileSaysOtherwise) {
  GgufVocabulary vocabulary = t5("unigram");
  const auto around = [&] {
    return tokenizer_from_gguf(vocabulary)->encode("", {.add_special_tokens = true});
  };
  EXPECT_EQ(around(), std::vector<std::int32_t>({2}));
  vocabulary.add_eos = false;
  EXPECT_EQ(around(), std::vector<std::int32_t>());
}

GgufVocabulary tiny() {
  GgufVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"a", "b", "ab"};
  vocabulary.merges = {"a b"};
  return vocabulary;
}

TEST(GgufTokenizer, UnknownPreTokenizerIsRefusedWithThoseThatAreKnown) {
  GgufVocabulary vocabulary = tiny();
  ASSERT_TRUE(tokenizer_from_gguf(vocabulary).has_value());
  vocabulary.pre = "no-such-pre";
  const auto result = tokenizer_from_gguf(vocabulary, "x.gguf");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().got, "\"no-such-pre\"");
  EXPECT_NE(result.error().where.find("x.gguf"), std::string::npos);
  EXPECT_NE(result.error().wanted.find("smollm"), std::string::npos);
}

TEST(GgufTokenizer, UnknownModelIsRefused) {
  GgufVocabulary vocabulary = tiny();
  vocabulary.model = "rwkv";
  const auto result = tokenizer_from_gguf(vocabulary);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().wanted, "bert, gpt2, llama or t5");
}

TEST(GgufTokenizer, MergeOfAnUnknownTokenIsRefused) {
  for (const char* merge : {"a c", "ab a", "ab", "", " ", "a ", "a b c"}) {
    GgufVocabulary vocabulary = tiny();
    vocabulary.merges.push_back(merge);
    const auto result = tokenizer_from_gguf(vocabulary, "x.gguf");
    ASSERT_FALSE(result.has_value()) << merge;
    EXPECT_NE(result.error().where.find("merges[1]"), std::string::npos);
  }
}

TEST(GgufTokenizer, IdOutsideTheVocabularyIsRefused) {
  for (const std::int32_t id : {-1, 3, 2147483647}) {
    GgufVocabulary vocabulary = tiny();
    vocabulary.bos = id;
    EXPECT_FALSE(tokenizer_from_gguf(vocabulary).has_value()) << id;
  }
}

TEST(GgufTokenizer, ListsOfDifferentLengthAreRefused) {
  GgufVocabulary vocabulary = tiny();
  vocabulary.types = {1, 1};
  EXPECT_FALSE(tokenizer_from_gguf(vocabulary).has_value());
  vocabulary = tiny();
  vocabulary.model = "llama";
  vocabulary.scores = {0, 0};
  EXPECT_FALSE(tokenizer_from_gguf(vocabulary).has_value());
  vocabulary.scores = {0, 0, 0};
  EXPECT_TRUE(tokenizer_from_gguf(vocabulary).has_value());
}

TEST(GgufTokenizer, ScoreThatIsNotANumberIsRefused) {
  GgufVocabulary vocabulary = tiny();
  vocabulary.model = "llama";
  vocabulary.scores = {0, std::numeric_limits<float>::quiet_NaN(), 0};
  const auto result = tokenizer_from_gguf(vocabulary);
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().where.find("scores[1]"), std::string::npos);
}

}  // namespace
}  // namespace farthing
