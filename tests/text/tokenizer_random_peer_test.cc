// On random Unicode every kind of tokenizer gives the tokens of the package that it stands for.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "text/support/fixtures.h"
#include "text/tokenizer_files.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

constexpr int kTexts = 100'000;

struct Case {
  std::string name, kind,
      file;  // a relative file lies in tests/text/data, "shared/..." in ../shared
};

const Case kCases[] = {
    {"gpt2", "gpt2", "shared/tokenizers/gpt2"},
    {"llama3", "json", "shared/tokenizers/llama3/tokenizer.json"},
    {"qwen3", "json", "shared/tokenizers/qwen3/tokenizer.json"},
    {"llama2", "sentencepiece", "shared/tokenizers/llama2/tokenizer.model"},
    {"unigram", "json", "variants/unigram.json"},
    {"unigram_byte_fallback", "json", "variants/unigram_byte_fallback.json"},
    {"unigram_precompiled", "json", "variants/unigram_precompiled.json"},
    {"wordpiece", "json", "variants/wordpiece.json"},
    {"wordpiece_cased", "json", "variants/wordpiece_cased.json"},
    {"wordlevel", "json", "variants/wordlevel.json"},
    {"nfkc", "json", "variants/nfkc.json"},
    {"strip_accents", "json", "variants/strip_accents.json"},
    {"punctuation", "json", "variants/punctuation.json"},
    {"sentencepiece_bpe", "sentencepiece", "sentencepiece/bpe.model"},
    {"sentencepiece_bpe_unknown", "sentencepiece", "sentencepiece/bpe_unknown.model"},
    {"sentencepiece_unigram", "sentencepiece", "sentencepiece/unigram.model"},
    {"sentencepiece_unigram_bytes", "sentencepiece", "sentencepiece/unigram_bytes.model"},
    {"sentencepiece_unigram_spaces", "sentencepiece", "sentencepiece/unigram_spaces.model"},
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.file; }

class RandomTexts : public ::testing::TestWithParam<Case> {};

Tokenizer load(const std::string& kind, const std::string& path) {
  using testing::read_whole_file;
  if (kind == "gpt2")
    return tokenizer_from_vocab_and_merges(read_whole_file(path + "/vocab.json"),
                                           read_whole_file(path + "/merges.txt"), path)
        .value();
  if (kind == "sentencepiece")
    return tokenizer_from_sentencepiece(read_whole_file(path), path).value();
  return tokenizer_from_json(read_whole_file(path), path).value();
}

TEST_P(RandomTexts, GiveTheTokensOfThePackage) {
  const std::string source = FARTHING_SOURCE_DIR, data = source + "/tests/text/data/";
  std::string path = data + GetParam().file;
  if (GetParam().file.starts_with("shared/")) {
    const std::string shared = testing::shared_folder();
    if (shared.empty()) GTEST_SKIP() << "needs the folder ../shared";
    path = shared + GetParam().file.substr(6);
  }
  const std::string out = ::testing::TempDir() + "farthing_random_" + GetParam().name + ".vectors";
  const char* named = std::getenv("FARTHING_PEER_PYTHON");
  const std::string python =
      named != nullptr ? named : "\"$(" + source + "/scripts/peers --python reference)\"";
  const std::string command = python + " " + data + "random_vectors.py " + GetParam().kind + " " +
                              path + " " + std::to_string(kTexts) + " 7 " + out;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto vectors = testing::read_vector_file(out);
  std::filesystem::remove(out);
  ASSERT_EQ(vectors.size(), kTexts);
  const Tokenizer tokenizer = load(GetParam().kind, path);
  const bool special = GetParam().kind != "sentencepiece";
  int wrong = 0;
  for (const auto& [text, ids] : vectors) {
    const auto found =
        tokenizer.encode(text, {.add_special_tokens = special, .parse_special = special});
    if (found == ids) continue;
    if (++wrong <= 5)
      ADD_FAILURE() << text << "\n  got    " << ::testing::PrintToString(found) << "\n  wanted "
                    << ::testing::PrintToString(ids);
  }
  EXPECT_EQ(wrong, 0) << "of " << kTexts;
}

INSTANTIATE_TEST_SUITE_P(All, RandomTexts, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace farthing
