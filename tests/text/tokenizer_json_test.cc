// tokenizer.json: every stage gives what Hugging Face's tokenizers gives; damaged and unknown files
// are refused.
#include "text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "text/pipeline/spec.h"
#include "text/support/fixtures.h"

namespace farthing {
namespace {

using testing::read_data;
using testing::read_vectors;

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(FARTHING_SOURCE_DIR "/tests/text/data/variants")) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TokenizerVariant : public ::testing::TestWithParam<std::string> {
 protected:
  std::string file() const { return "variants/" + GetParam(); }
  Tokenizer load() const {
    return tokenizer_from_json(read_data(file() + ".json"), GetParam()).value();
  }
};

TEST_P(TokenizerVariant, EncodesAsHuggingFace) {
  const auto vectors = read_vectors(file() + ".vectors");
  EXPECT_GT(testing::expect_same_tokens(load(), vectors, {.add_special_tokens = true}), 80);
}

TEST_P(TokenizerVariant, DecodesAsHuggingFace) {
  const Tokenizer tokenizer = load();
  for (const auto& [text, ids] : read_vectors(file() + ".decoded")) {
    EXPECT_EQ(tokenizer.decode(ids, {.skip_special_tokens = false}), text)
        << ::testing::PrintToString(ids);
  }
}

TEST_P(TokenizerVariant, IsWrittenAsItWasRead) {
  EXPECT_EQ(tokenizer_to_json(load()), read_data(file() + ".json"));
}

TEST_P(TokenizerVariant, GivesTheSameWhenWrittenFromItsParts) {
  tokenizer::Spec spec = load().spec();
  spec.json.clear();
  const std::string written =
      tokenizer_to_json(make_tokenizer(std::move(spec), GetParam()).value());
  const Tokenizer again = tokenizer_from_json(written, GetParam()).value();
  testing::expect_same_tokens(again, read_vectors(file() + ".vectors"),
                              {.add_special_tokens = true});
  for (const auto& [text, ids] : read_vectors(file() + ".decoded")) {
    EXPECT_EQ(again.decode(ids, {.skip_special_tokens = false}), text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerVariant, ::testing::ValuesIn(variant_names()),
                         [](const auto& info) { return info.param; });

// A small tokenizer.json whose stages can be replaced.
struct Stages {
  std::string normalizer = "null", pre_tokenizer = "null", post_processor = "null",
              decoder = "null";
  std::string added_tokens = "[]";
  std::string model = R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]})";

  std::string json() const {
    return R"({"added_tokens": )" + added_tokens + R"(, "normalizer": )" + normalizer +
           R"(, "pre_tokenizer": )" + pre_tokenizer + R"(, "post_processor": )" + post_processor +
           R"(, "decoder": )" + decoder + R"(, "model": )" + model + "}";
  }
};

// The error of a file that must be refused.
Error refusal(const std::string& json) {
  const auto result = tokenizer_from_json(json, "tokenizer.json");
  EXPECT_FALSE(result.has_value()) << json.substr(0, 200);
  return result ? Error{} : result.error();
}

TEST(TokenizerJson, SmallestFileIsRead) {
  const auto result = tokenizer_from_json(Stages().json(), "tokenizer.json");
  ASSERT_TRUE(result.has_value()) << result.error().text();
  EXPECT_EQ(result->encode("abba"), std::vector<std::int32_t>({2, 1, 0}));
}

TEST(TokenizerJson, UnknownKindsAreRefusedByNameWithThoseThatAreKnown) {
  const auto check = [](Stages stages, const std::string& name, const std::string& known) {
    const Error error = refusal(stages.json());
    EXPECT_NE(error.got.find(name), std::string::npos) << error.text();
    EXPECT_NE(error.wanted.find(known), std::string::npos) << error.text();
  };
  check({.normalizer = R"({"type": "NFQ"})"}, "NFQ", "Prepend");
  check({.pre_tokenizer = R"({"type": "UnicodeScripts"})"}, "UnicodeScripts", "ByteLevel");
  check({.post_processor = R"({"type": "XlmProcessing"})"}, "XlmProcessing", "TemplateProcessing");
  check({.decoder = R"({"type": "CTC"})"}, "CTC", "ByteFallback");
  check({.model = R"({"type": "Bigram", "vocab": []})"}, "Bigram", "BPE");
  check({.pre_tokenizer =
             R"({"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "Nope"}]})"},
        "Nope", "Split");
}

TEST(TokenizerJson, RefusalSaysWhereInTheFile) {
  const Error error = refusal(
      Stages{.pre_tokenizer =
                 R"({"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": 3}]})"}
          .json());
  EXPECT_EQ(error.where, "tokenizer.json.pre_tokenizer.pretokenizers[1].type");
}

TEST(TokenizerJson, EveryTruncationIsRefused) {
  const std::string json = read_data("variants/llama3.json");
  for (std::size_t bytes = 0; bytes < json.size(); bytes += 97) {
    EXPECT_EQ(refusal(json.substr(0, bytes)).what, "the file is not JSON that can be read");
  }
}

TEST(TokenizerJson, DeepNestingIsRefused) {
  const std::string deep(1'000'000, '[');
  EXPECT_NE(refusal(deep).wanted.find("levels"), std::string::npos);
  std::string sequence = R"({"type": "Digits"})";
  for (int i = 0; i < 60; ++i)
    sequence = R"({"type": "Sequence", "pretokenizers": [)" + sequence + "]}";
  EXPECT_NE(refusal(Stages{.pre_tokenizer = sequence}.json()).wanted.find("levels"),
            std::string::npos);
}

TEST(TokenizerJson, IdFarOutsideTheVocabularyIsRefused) {
  for (const char* id : {"2000000000", "-1", "1.5", "99999999999999999999", "\"0\"", "null"}) {
    const Stages stages{.model = R"({"vocab": {"a": )" + std::string(id) + R"(}, "merges": []})"};
    EXPECT_EQ(refusal(stages.json()).where, "tokenizer.json.model.vocab") << id;
  }
  const Stages added{.added_tokens = R"([{"id": 2000000000, "content": "x"}])"};
  EXPECT_EQ(refusal(added.json()).where, "tokenizer.json.added_tokens[0]");
}

TEST(TokenizerJson, TwoTokensOfOneIdAreRefused) {
  const Stages model{.model = R"({"vocab": {"a": 0, "b": 0}, "merges": []})"};
  EXPECT_EQ(refusal(model.json()).got, R"(id 0 for "a" and for "b")");
  const Stages added{.added_tokens = R"([{"id": 0, "content": "x"}])"};
  EXPECT_EQ(refusal(added.json()).got, R"(id 0 for "a" and for "x")");
}

TEST(TokenizerJson, MergeOfAnUnknownTokenIsRefused) {
  for (const char* merge : {R"("a c")", R"("b a")", R"("a")", R"(["a"])", R"(["a", "b", "a"])", "3",
                            "null", R"(["a", 1])", R"("")"}) {
    const Error error = refusal(Stages{
        .model = R"({"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [)" + std::string(merge) + "]}"}
                                    .json());
    EXPECT_EQ(error.where, "tokenizer.json.model.merges[0]");
  }
}

TEST(TokenizerJson, OptionOfBpeThatIsNotSupportedIsRefused) {
  const std::pair<std::string, std::string> options[] = {{"dropout", "0.1"},
                                                         {"continuing_subword_prefix", R"("##")"},
                                                         {"end_of_word_suffix", R"("</w>")"}};
  for (const auto& [name, value] : options) {
    const Stages stages{.model =
                            R"({"vocab": {"a": 0}, "merges": [], ")" + name + "\": " + value + "}"};
    EXPECT_EQ(refusal(stages.json()).where, "tokenizer.json.model." + name);
  }
}

TEST(TokenizerJson, StepAfterByteLevelIsRefused) {
  const Stages stages{
      .pre_tokenizer =
          R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]})"};
  EXPECT_EQ(refusal(stages.json()).what, "the pre-tokenizer goes on after ByteLevel");
}

TEST(TokenizerJson, DecoderStepAfterFuseIsRefused) {
  const Stages stages{
      .decoder =
          R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]})"};
  EXPECT_EQ(refusal(stages.json()).got, "another step than Strip after Fuse");
}

TEST(TokenizerJson, PatternThatDoesNotCompileIsRefused) {
  for (const char* pattern : {"(", "[z-a]", "\\\\p{Nonsense}", "a{99999}"}) {
    const Stages stages{.pre_tokenizer =
                            R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": ")" +
                            std::string(pattern) + R"("}})"};
    EXPECT_EQ(refusal(stages.json()).what,
              "a regular expression of the tokenizer cannot be compiled");
  }
}

TEST(TokenizerJson, PatternThatBacktracksForeverDoesNotHangEncoding) {
  const auto tokenizer = tokenizer_from_json(
      Stages{
          .pre_tokenizer =
              R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(a+)+(a+)+$|c"}})"}
          .json(),
      "tokenizer.json");
  ASSERT_TRUE(tokenizer.has_value());
  EXPECT_EQ(tokenizer->encode(std::string(60, 'a') + "b").size(), 60u);  // a, ..., a, ab
}

TEST(TokenizerJson, TemplateWithoutTheTextIsRefused) {
  const Stages stages{.post_processor =
                          R"({"type": "TemplateProcessing", "single": [], "special_tokens": {}})"};
  EXPECT_EQ(refusal(stages.json()).where, "tokenizer.json.post_processor.single");
}

TEST(TokenizerJson, TemplateIdOutsideTheVocabularyIsRefused) {
  const Stages stages{.post_processor =
                          R"({"type": "TemplateProcessing", "single": [)"
                          R"({"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}], )"
                          R"("special_tokens": {"x": {"ids": [3]}}})"};
  EXPECT_EQ(refusal(stages.json()).got, "token 3");
}

TEST(TokenizerJson, ConfigurationNamesBosAndEos) {
  const auto config = tokenizer_config_from_json(
      R"({"bos_token": "a", "eos_token": {"content": "b", "lstrip": false}, "chat_template": "{{ x }}"})",
      "tokenizer_config.json");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->chat_template, "{{ x }}");
  const auto tokenizer = tokenizer_from_json(Stages().json(), "tokenizer.json", *config);
  ASSERT_TRUE(tokenizer.has_value());
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 1);
}

TEST(TokenizerJson, DefaultChatTemplateIsTakenFromAList) {
  const auto config = tokenizer_config_from_json(
      R"({"bos_token": null, "chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]})",
      "tokenizer_config.json");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->chat_template, "d");
  EXPECT_FALSE(config->bos_token.has_value());
}

TEST(TokenizerJson, ConfigurationThatNamesNoTokenIsRefused) {
  TokenizerConfig config;
  config.eos_token = "zzz";
  EXPECT_FALSE(tokenizer_from_json(Stages().json(), "tokenizer.json", config).has_value());
  EXPECT_FALSE(tokenizer_config_from_json("[]", "tokenizer_config.json").has_value());
  EXPECT_FALSE(
      tokenizer_config_from_json(R"({"bos_token": 3})", "tokenizer_config.json").has_value());
}

}  // namespace
}  // namespace farthing
