// gguf_vocabulary_of: the vocabulary of a GGUF file that gives a tokenizer.
#include <gtest/gtest.h>

#include <algorithm>

#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

using testing::read_vectors;
using testing::read_vocabulary;
using testing::read_whole_file;

const std::string kData = FARTHING_SOURCE_DIR "/tests/text/data/";

Tokenizer from_json(const std::string& path) {
  return tokenizer_from_json(read_whole_file(path), path).value();
}
Tokenizer stories() { return from_json(FARTHING_SOURCE_DIR "/models/stories260k/tokenizer.json"); }

// A byte-level tokenizer that cuts a text by these patterns.
tokenizer::Spec byte_level(const std::vector<std::string>& patterns) {
  tokenizer::Spec spec = tokenizer_from_gguf(read_vocabulary("gpt-2.vocabulary")).value().spec();
  spec.pre_tokenizers.clear();
  for (const std::string& pattern : patterns)
    spec.pre_tokenizers.emplace_back(tokenizer::Split{.pattern = {pattern, true}});
  spec.pre_tokenizers.emplace_back(tokenizer::ByteLevel{.use_regex = false});
  return spec;
}
Result<GgufVocabulary> vocabulary_of(tokenizer::Spec spec) {
  return gguf_vocabulary_of(make_tokenizer(std::move(spec), "a test").value(), "a test");
}

class ThereAndBack : public ::testing::TestWithParam<const char*> {};

TEST_P(ThereAndBack, GivesTheSameTokens) {
  const std::string name = GetParam();
  const Tokenizer tokenizer = tokenizer_from_gguf(read_vocabulary(name + ".vocabulary")).value();
  const auto vocabulary = gguf_vocabulary_of(tokenizer, name);
  ASSERT_TRUE(vocabulary.has_value()) << vocabulary.error().text();
  const Tokenizer again = tokenizer_from_gguf(*vocabulary).value();
  for (const auto& vector : read_vectors(name + ".vectors")) {
    EXPECT_EQ(again.encode(vector.text), tokenizer.encode(vector.text)) << vector.text;
    EXPECT_EQ(again.encode(vector.text, {.add_special_tokens = true}),
              tokenizer.encode(vector.text, {.add_special_tokens = true}));
  }
}

TEST_P(ThereAndBack, GivesTheSameLists) {
  const GgufVocabulary wanted = read_vocabulary(std::string(GetParam()) + ".vocabulary");
  const auto got = gguf_vocabulary_of(tokenizer_from_gguf(wanted).value(), "a test").value();
  EXPECT_EQ(got.model, wanted.model);
  EXPECT_EQ(got.tokens, wanted.tokens);
  EXPECT_EQ(got.merges, wanted.merges);
  if (!wanted.types.empty()) {
    EXPECT_EQ(got.types, wanted.types);
  }
  EXPECT_EQ(got.bos, wanted.bos);
  EXPECT_EQ(got.eos, wanted.eos);
}

INSTANTIATE_TEST_SUITE_P(GgufVocabularyOf, ThereAndBack,
                         ::testing::Values("gpt-2", "llama-spm", "smollm2"));

TEST(GgufVocabularyOf, ATokenizerJsonOfSentencePieceKeepsItsTokens) {
  const auto vocabulary = gguf_vocabulary_of(stories(), "stories260k").value();
  EXPECT_EQ(vocabulary.model, "llama");
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_EQ(vocabulary.types[0], 2);
  EXPECT_EQ(vocabulary.types[1], 3);
  EXPECT_EQ(vocabulary.types[3], 6);
  EXPECT_TRUE(*vocabulary.add_bos);
  EXPECT_TRUE(*vocabulary.add_space_prefix);
  const Tokenizer again = tokenizer_from_gguf(vocabulary).value();
  for (const auto& vector : read_vectors("stories260k.vectors"))
    EXPECT_EQ(again.encode(vector.text), stories().encode(vector.text)) << vector.text;
}

TEST(GgufVocabularyOf, TheNameOfAPreTokenizerComesFromItsPatterns) {
  const std::string qwen = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                           R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  tokenizer::Spec spec = byte_level({qwen});
  spec.normalizers = {tokenizer::NormalForm::kNfc};
  EXPECT_EQ(vocabulary_of(spec).value().pre, "qwen2");
  // letters of the alphabets by themselves, as the model's file has them, where the list has
  // numbers
  EXPECT_EQ(vocabulary_of(byte_level({R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
                                      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
                                      R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
                                      R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}))
                .value()
                .pre,
            "deepseek-v3");
}

TEST(GgufVocabularyOf, PatternsWithoutANameAreRefused) {
  const auto out = vocabulary_of(byte_level({R"(\p{L}+)"}));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a test");
  EXPECT_EQ(out.error().got, R"(the patterns \p{L}+)");
  EXPECT_NE(out.error().wanted.find("llama-bpe"), std::string::npos);
}

TEST(GgufVocabularyOf, MergesThatNoScoresGiveAreRefused) {
  tokenizer::Spec spec = stories().spec();
  ASSERT_GT(spec.merges.size(), 20u);
  spec.merges.pop_back();
  const auto out = vocabulary_of(spec);
  ASSERT_FALSE(out.has_value());
  EXPECT_NE(out.error().got.find("merges that no scores of tokens give"), std::string::npos);
}

TEST(GgufVocabularyOf, IgnoringMergesTellsLlama3FromItsLikes) {
  tokenizer::Spec spec =
      byte_level({R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                  R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"});
  EXPECT_EQ(vocabulary_of(spec).value().pre, "dbrx");
  spec.ignore_merges = true;
  EXPECT_EQ(vocabulary_of(spec).value().pre, "llama-bpe");
}

// As Gemma has them: runs of spaces are tokens of the user, and merges, the first ones.
constexpr char kRuns[] =
    R"({"added_tokens": [{"id": 4, "content": "▁▁"}, {"id": 5, "content": "▁▁▁"}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
    "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
              "vocab": {"<unk>": 0, "▁": 1, "a": 2, "b": 3, "▁▁": 4, "▁▁▁": 5, "▁a": 6, "ab": 7},
              "merges": ["▁ ▁", "▁▁ ▁", "▁ ▁▁", "a b", "▁ a"]}})";

TEST(GgufVocabularyOf, RunsOfSpacesAreTakenWhole) {
  const Tokenizer tokenizer = tokenizer_from_json(kRuns, "a test").value();
  const auto vocabulary = gguf_vocabulary_of(tokenizer, "a test");
  ASSERT_TRUE(vocabulary.has_value()) << vocabulary.error().text();
  EXPECT_EQ(vocabulary->tokens[5], "   ");
  EXPECT_EQ(vocabulary->types[5], 4);
  EXPECT_FALSE(*vocabulary->add_space_prefix);
  const Tokenizer again = tokenizer_from_gguf(*vocabulary).value();
  for (const char* text : {"a b", "a  b", "ab   ab", " a", "  ", "b    "})
    EXPECT_EQ(again.encode(text), tokenizer.encode(text)) << text;
}

TEST(GgufVocabularyOf, MergesOfTheUsersTokensMustComeFirst) {
  tokenizer::Spec spec = tokenizer_from_json(kRuns, "a test").value().spec();
  spec.merges[3].rank = 0;  // "ab"
  for (size_t i = 0; i < 3; ++i) ++spec.merges[i].rank;
  EXPECT_FALSE(vocabulary_of(spec).has_value());
}

// The last way to make a token comes behind all others: then no score says when it is merged.
TEST(GgufVocabularyOf, MergesOfATokenThatLieApartAreRefused) {
  tokenizer::Spec spec = stories().spec();
  auto& merges = spec.merges;
  const auto again = std::find_if(merges.begin(), merges.end() - 20, [&](const auto& merge) {
    return &merge != &merges.front() && (&merge - 1)->result == merge.result;
  });
  ASSERT_NE(again, merges.end() - 20);
  again->rank = merges.back().rank + 1;
  const auto out = vocabulary_of(spec);
  ASSERT_FALSE(out.has_value());
  EXPECT_NE(out.error().got.find("merges that no scores of tokens give"), std::string::npos);
}

TEST(GgufVocabularyOf, AStepThatHasNoPlaceIsRefused) {
  tokenizer::Spec spec = stories().spec();
  spec.normalizers.emplace_back(tokenizer::Lowercase{});
  EXPECT_FALSE(vocabulary_of(spec).has_value());
  spec = byte_level({});
  spec.normalizers = {tokenizer::NormalForm::kNfkc};
  const auto out = vocabulary_of(spec);
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().got, "a normalizer of a byte-level tokenizer");
}

TEST(GgufVocabularyOf, TokensThatAreMissingAreUnused) {
  tokenizer::Spec spec = stories().spec();
  spec.tokens.resize(516);
  spec.tokens[515] = "<user>";
  spec.added.push_back({.id = 515, .content = "<user>"});
  const auto vocabulary = vocabulary_of(spec).value();
  EXPECT_EQ(vocabulary.tokens[513], "[PAD513]");
  EXPECT_EQ(vocabulary.types[513], 5);
  EXPECT_EQ(vocabulary.tokens[515], "<user>");
  EXPECT_EQ(vocabulary.types[515], 4);
}

}  // namespace
}  // namespace farthing
