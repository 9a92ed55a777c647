// Tokenizers without tokenizer.json: tokenizer.model gives what the package sentencepiece gives,
// and the older pairs of files what the tokenizer.json of the same vocabulary gives.
#include "text/tokenizer_files.h"

#include <gtest/gtest.h>

#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using testing::read_data;
using testing::read_vectors;

TokenizerConfig of_class(const std::string& name) {
  TokenizerConfig config;
  config.tokenizer_class = name;
  return config;
}

class SentencePieceFile : public ::testing::TestWithParam<std::string> {
 protected:
  std::string file() const { return "sentencepiece/" + GetParam(); }
  Tokenizer load() const {
    const auto tokenizer = tokenizer_from_sentencepiece(read_data(file() + ".model"), GetParam());
    EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
    return tokenizer.value();
  }
};

TEST_P(SentencePieceFile, EncodesAsSentencePiece) {
  EXPECT_GT(testing::expect_same_tokens(load(), read_vectors(file() + ".vectors"),
                                        {.parse_special = false}),
            200);
}

TEST_P(SentencePieceFile, DecodesAsSentencePiece) {
  const Tokenizer tokenizer = load();
  for (const auto& [text, ids] : read_vectors(file() + ".decoded"))
    EXPECT_EQ(tokenizer.decode(ids), text) << ::testing::PrintToString(ids);
}

TEST_P(SentencePieceFile, EveryTruncationIsRefusedOrAnotherVocabulary) {
  const std::string whole = read_data(file() + ".model");
  const std::int32_t size = load().vocab_size();
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 61) {
    const auto cut = tokenizer_from_sentencepiece(whole.substr(0, bytes), "cut.model");
    if (cut) {
      EXPECT_LE(cut->vocab_size(), size);
    } else {
      EXPECT_TRUE(cut.error().where.starts_with("cut.model")) << cut.error().text();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SentencePieceFile,
                         ::testing::Values("bpe", "bpe_unknown", "unigram", "unigram_bytes",
                                           "unigram_spaces"),
                         [](const auto& info) { return info.param; });

TEST(SentencePieceFileSpecials, BosAndEosAreThoseOfTheClass) {
  const std::string file = read_data("sentencepiece/bpe.model");
  const auto around = [&](const TokenizerConfig& config) {
    return tokenizer_from_sentencepiece(file, "tokenizer.model", config)
        .value()
        .encode("", {.add_special_tokens = true});
  };
  EXPECT_EQ(around({}), std::vector<std::int32_t>({1}));
  EXPECT_EQ(around(of_class("T5Tokenizer")), std::vector<std::int32_t>({2}));
  TokenizerConfig config = of_class("LlamaTokenizer");
  config.add_bos_token = false;
  config.add_eos_token = true;
  EXPECT_EQ(around(config), std::vector<std::int32_t>({2}));
}

TEST(SentencePieceFileSpecials, WithoutLegacyOnlyTheStartOfATextGetsASpace) {
  const std::string file = read_data("sentencepiece/bpe.model");
  TokenizerConfig config;
  const auto tokens = [&](std::string_view text) {
    return tokenizer_from_sentencepiece(file, "tokenizer.model", config)->encode(text);
  };
  const auto with_space = tokens("a</s>a");
  ASSERT_EQ(with_space.size(), 3u);
  EXPECT_EQ(with_space[0], with_space[2]);
  config.legacy = false;
  const auto without = tokens("a</s>a");
  EXPECT_EQ(without[0], with_space[0]);
  EXPECT_NE(without[2], with_space[2]);
  // As in transformers, a space that is there already stands for the one that would be put.
  for (const auto& [text, ids] : read_vectors("sentencepiece/bpe.vectors")) {
    if (text.starts_with(" ") || text.starts_with("\u2581")) continue;
    EXPECT_EQ(tokenizer_from_sentencepiece(file, "tokenizer.model", config)
                  ->encode(text, {.parse_special = false}),
              ids)
        << text;
  }
}

TEST(SentencePieceFileSpecials, AddedTokensOfTheConfigurationAreFound) {
  TokenizerConfig config;
  config.added = {{.id = 700, .content = "<|user|>", .special = true, .rstrip = true}};
  const auto tokenizer =
      tokenizer_from_sentencepiece(read_data("sentencepiece/bpe.model"), "tokenizer.model", config);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
  EXPECT_EQ(tokenizer->vocab_size(), 701);
  EXPECT_EQ(tokenizer->encode("<|user|>  "), std::vector<std::int32_t>({700}));
}

TEST(SentencePieceFileSpecials, AnAddedTokenInAnotherOnesPlaceIsRefused) {
  TokenizerConfig config;
  config.added = {{.id = 300, .content = "<|user|>"}};
  const auto tokenizer =
      tokenizer_from_sentencepiece(read_data("sentencepiece/bpe.model"), "tokenizer.model", config);
  ASSERT_FALSE(tokenizer.has_value());
  EXPECT_EQ(tokenizer.error().wanted, "one token for each id");
}

TEST(SentencePieceFileSpecials, AnUnknownClassIsRefusedWithThoseThatAreKnown) {
  const auto tokenizer = tokenizer_from_sentencepiece(read_data("sentencepiece/bpe.model"),
                                                      "x.model", of_class("XLMRobertaTokenizer"));
  ASSERT_FALSE(tokenizer.has_value());
  EXPECT_NE(tokenizer.error().got.find("XLMRobertaTokenizer"), std::string::npos);
  EXPECT_NE(tokenizer.error().wanted.find("LlamaTokenizer"), std::string::npos);
}

// A message of one field with `text`.
std::string field(int number, const std::string& text) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(text.size()) + text;
}

TEST(SentencePieceFileRefusal, SaysWhichPieceOrFieldAndWhatWasWanted) {
  const auto refusal = [](const std::string& file) {
    const auto tokenizer = tokenizer_from_sentencepiece(file, "x.model");
    EXPECT_FALSE(tokenizer.has_value());
    return tokenizer ? Error{} : tokenizer.error();
  };
  // Without a trainer's word BOS is piece 1 and EOS piece 2.
  const std::string piece =
      field(1, field(1, "a")) + field(1, field(1, "b")) + field(1, field(1, "c"));
  EXPECT_TRUE(tokenizer_from_sentencepiece(piece, "x.model").has_value());
  EXPECT_EQ(refusal("").wanted, "at least one piece");
  EXPECT_EQ(refusal(piece + field(1, field(1, ""))).where, "x.model, pieces[3].piece");
  EXPECT_EQ(refusal(field(1, field(1, "\xFF"))).wanted, "a text in UTF-8");
  EXPECT_EQ(refusal(field(1, field(1, "a") + "\x18\x09")).where, "x.model, pieces[0].type");
  EXPECT_EQ(refusal(piece + field(2, "\x18\x03")).where, "x.model, trainer_spec.model_type");
  EXPECT_EQ(refusal(piece + field(2, std::string("\xC8\x02\x03", 3))).where,
            "x.model, trainer_spec.bos_id");
  EXPECT_EQ(refusal(piece + std::string("\x12\xFF\xFF\xFF\xFF\x0F", 6)).got,
            "a length of 4294967295");
  EXPECT_EQ(refusal(std::string("\x0B", 1)).got, "wire type 3");
  // A character map whose trie is longer than the map.
  EXPECT_EQ(refusal(piece + field(3, field(2, "\x10\1\1\1"))).what,
            "the character map of the tokenizer is damaged");
}

const Tokenizer& byte_level() {
  static const Tokenizer tokenizer =
      tokenizer_from_json(read_data("variants/byte_level.json"), "tokenizer.json").value();
  return tokenizer;
}

std::string vocab_json(const tokenizer::Spec& spec) {
  std::string json;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    std::string text;
    for (const char c : spec.tokens[id])
      text += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
    json += (id == 0 ? "{\"" : ",\"") + text + "\":" + std::to_string(id);
  }
  return json + "}";
}

std::string merges_txt(const tokenizer::Spec& spec) {
  std::string text = "#version: 0.2\n";
  for (const tokenizer::Merge& merge : spec.merges)
    text += spec.tokens[merge.left] + " " + spec.tokens[merge.right] + "\n";
  return text;
}

TEST(VocabAndMerges, GiveTheTokensOfTheSameTokenizerJson) {
  const tokenizer::Spec& spec = byte_level().spec();
  TokenizerConfig config = of_class("GPT2Tokenizer");
  config.bos_token = "<s>";
  config.eos_token = "</s>";
  config.unk_token = "<unk>";
  const auto tokenizer =
      tokenizer_from_vocab_and_merges(vocab_json(spec), merges_txt(spec), "vocab.json", config);
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
  EXPECT_GT(testing::expect_same_tokens(*tokenizer, read_vectors("variants/byte_level.vectors")),
            80);
  config.add_bos_token = true;
  const auto with_bos =
      tokenizer_from_vocab_and_merges(vocab_json(spec), merges_txt(spec), "vocab.json", config);
  EXPECT_EQ(with_bos->encode("", {.add_special_tokens = true}), std::vector<std::int32_t>({1}));
}

TEST(VocabAndMerges, AMergeThatDoesNotFitIsRefusedWithItsLine) {
  const auto refused = tokenizer_from_vocab_and_merges(R"({"a": 0, "b": 1, "ab": 2})",
                                                       "#version: 0.2\na b\r\na c\n", "vocab.json");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().where, "vocab.json, line 3 of merges.txt");
  EXPECT_EQ(refused.error().got, "\"a c\"");
}

TEST(VocabTxt, GivesTheTokensOfTheSameTokenizerJson) {
  const auto json = tokenizer_from_json(read_data("variants/wordpiece.json"), "tokenizer.json");
  std::string lines;
  for (const std::string& token : json->spec().tokens) lines += token + "\n";
  const auto tokenizer = tokenizer_from_vocab_txt(lines, "vocab.txt");
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
  EXPECT_GT(testing::expect_same_tokens(*tokenizer, read_vectors("variants/wordpiece.vectors"),
                                        {.add_special_tokens = true}),
            80);
}

TEST(VocabTxt, AVocabularyWithoutItsUnknownTokenIsRefused) {
  const auto refused = tokenizer_from_vocab_txt("[CLS]\n[SEP]\na\n", "vocab.txt");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().wanted, "[UNK]");
}

}  // namespace
}  // namespace farthing
