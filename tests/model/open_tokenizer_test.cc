// The tokenizer of a folder is found whichever files describe it, and no link is followed out of
// it.
#include "model/open_tokenizer.h"

#include <gtest/gtest.h>

#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

constexpr char json[] =
    R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";

class FolderTokenizer : public ::testing::Test {
 protected:
  Result<Tokenizer> open() const { return tokenizer_of_folder(folder_.path()); }
  std::vector<std::int32_t> tokens(std::string_view text) const {
    const auto tokenizer = open();
    EXPECT_TRUE(tokenizer) << tokenizer.error().text();
    return tokenizer ? tokenizer->encode(text) : std::vector<std::int32_t>{};
  }
  ScratchFolder folder_;
};

TEST_F(FolderTokenizer, WithoutFilesTheErrorListsThem) {
  const auto tokenizer = open();
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().where, folder_.path().string());
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt"})
    EXPECT_NE(tokenizer.error().wanted.find(name), std::string::npos) << name;
}

TEST_F(FolderTokenizer, TheLaterFileIsReadWhereTheEarlierIsNotThere) {
  write_all(folder_ / "vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n##b\n");
  EXPECT_EQ(tokens("ab"), std::vector<std::int32_t>({3, 4}));
  write_all(folder_ / "vocab.json", R"({"b": 0, "a": 1, "ab": 2})");
  EXPECT_EQ(tokens("ab"), std::vector<std::int32_t>({3, 4}));  // no merges beside it
  write_all(folder_ / "merges.txt", "a b\n");
  EXPECT_EQ(tokens("aba"), std::vector<std::int32_t>({2, 1}));
  write_all(folder_ / "tokenizer.model",
            read_all(FARTHING_SOURCE_DIR "/tests/text/data/sentencepiece/bpe.model"));
  EXPECT_EQ(open()->vocab_size(), 700);
  write_all(folder_ / "tokenizer.json", json);
  EXPECT_EQ(tokens("aba"), std::vector<std::int32_t>({2, 0}));
}

TEST_F(FolderTokenizer, SpecialTokensMapAndAddedTokensFillTheConfiguration) {
  write_all(folder_ / "vocab.json", R"({"b": 0, "a": 1, "ab": 2, "</s>": 3})");
  write_all(folder_ / "merges.txt", "a b\n");
  write_all(folder_ / "tokenizer_config.json",
            R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true})");
  write_all(folder_ / "special_tokens_map.json",
            R"({"bos_token": {"content": "</s>", "lstrip": false}, "eos_token": "</s>"})");
  write_all(folder_ / "added_tokens.json", R"({"<|user|>": 4})");
  const auto tokenizer = open();
  ASSERT_TRUE(tokenizer) << tokenizer.error().text();
  EXPECT_EQ(tokenizer->encode("<|user|>b", {.add_special_tokens = true}),
            std::vector<std::int32_t>({3, 4, 0}));
  EXPECT_EQ(tokenizer->eos_id(), 3);
}

TEST_F(FolderTokenizer, ADamagedCompanionIsAnErrorThatNamesIt) {
  write_all(folder_ / "tokenizer.json", json);
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    write_all(folder_ / name, "[]");
    const auto tokenizer = open();
    ASSERT_FALSE(tokenizer) << name;
    EXPECT_TRUE(tokenizer.error().where.starts_with((folder_ / name).string()));
    std::filesystem::remove(folder_ / name);
  }
}

TEST_F(FolderTokenizer, LinksThatLeaveTheFolderAreRefused) {
  ScratchFolder elsewhere;
  write_all(elsewhere / "secret", json);
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt",
                           "tokenizer_config.json", "added_tokens.json"}) {
    std::filesystem::create_symlink(elsewhere / "secret", folder_ / name);
    const auto tokenizer = open();
    ASSERT_FALSE(tokenizer) << name;
    EXPECT_EQ(tokenizer.error().where, (folder_ / name).string());
    std::filesystem::remove(folder_ / name);
  }
}

}  // namespace
}  // namespace farthing
