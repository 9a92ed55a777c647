// What stands beside a checkpoint's weights: vocabularies and chat templates that lie or are links.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/support/scratch_folder.h"
#include "io/gguf/gguf.h"
#include "io/support/bytes.h"
#include "model/checkpoint.h"
#include "model/support/tiny_model.h"

namespace farthing {
namespace {

constexpr uint32_t u32 = 4, u64 = 10;

struct Pair {
  std::string key;
  GgufValueType type;
  std::string bytes;  // as in a file
};

std::string array(uint32_t type, uint64_t count, const std::string& elements) {
  return raw(type) + raw(count) + elements;
}

class GgufVocabulary : public ::testing::Test {
 protected:
  // The error of reading the tokenizer of a model with two tokens, to which `lie` is added.
  Error error_with(const Pair& lie) {
    testing::TinyModel().write_gguf(folder_ / "plain.gguf");
    const auto plain = GgufFile::open(folder_ / "plain.gguf").value();
    GgufMetadataBuilder metadata;
    for (const auto& [key, value] : plain.metadata().values()) metadata.set(key, value);
    metadata.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "gpt-2");
    metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
    metadata.set(lie.key, GgufValue{lie.type, std::as_bytes(std::span(lie.bytes))});
    std::vector<GgufWriter::Declaration> tensors;
    for (const auto& entry : plain.tensors())
      tensors.push_back({entry.name, entry.type, entry.shape});
    auto writer = GgufWriter::create(folder_ / "lie.gguf", metadata, tensors).value();
    for (const auto& entry : plain.tensors())
      EXPECT_TRUE(writer.write(entry.name, plain.bytes(entry).span()));
    EXPECT_TRUE(writer.commit());
    const auto tokenizer = Checkpoint::open(folder_ / "lie.gguf").value()->tokenizer();
    EXPECT_FALSE(tokenizer) << lie.key;
    return tokenizer ? Error{} : tokenizer.error();
  }
  std::string where(const std::string& key) const {
    return (folder_ / "lie.gguf").string() + ", key " + key;
  }
  ScratchFolder folder_;
};

// Cut to 32 bits it would be token 1.
TEST_F(GgufVocabulary, ATokenIdBeyond32BitsIsNotCut) {
  const std::string key = "tokenizer.ggml.unknown_token_id";
  const Error error = error_with({key, GgufValueType::u64, raw(uint64_t{0x1'0000'0001})});
  EXPECT_EQ(error.where, where(key));
  EXPECT_EQ(error.got, "4294967297");
  EXPECT_EQ(error.wanted, "0 to 2147483647");
}

TEST_F(GgufVocabulary, TokenTypesBeyond32BitsAreNotCut) {
  const std::string key = "tokenizer.ggml.token_type";
  const Error large = error_with(
      {key, GgufValueType::array, array(u64, 2, raw(uint64_t{1}) + raw(uint64_t{0x1'0000'0001}))});
  EXPECT_EQ(large.where, where(key));
  EXPECT_EQ(large.got, "4294967297");
  const Error negative = error_with(
      {key, GgufValueType::array, array(u32, 2, raw(uint32_t{1}) + raw(uint32_t{0x8000'0000}))});
  EXPECT_EQ(negative.got, "2147483648");
}

class ChatTemplateOfDirectory : public ::testing::Test {
 protected:
  ChatTemplateOfDirectory() { testing::TinyModel().write_hugging_face(folder_ / "hf"); }
  Result<std::string> read() { return Checkpoint::open(folder_ / "hf").value()->chat_template(); }
  ScratchFolder folder_;
};

TEST_F(ChatTemplateOfDirectory, AFileOfItsOwnGoesBeforeTheField) {
  EXPECT_EQ(read(), "");
  write_all(folder_ / "hf" / "tokenizer_config.json", R"({"chat_template": "field"})");
  EXPECT_EQ(read(), "field");
  write_all(folder_ / "hf" / "chat_template.jinja", "file\n");
  EXPECT_EQ(read(), "file\n");
}

TEST_F(ChatTemplateOfDirectory, ADamagedConfigurationIsAnErrorAndNotAnAbsentTemplate) {
  write_all(folder_ / "hf" / "tokenizer_config.json", R"({"chat_template": 7})");
  const auto text = read();
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().where.find("tokenizer_config.json"), std::string::npos)
      << text.error().text();
}

TEST_F(ChatTemplateOfDirectory, LinksThatLeaveTheFolderAreRefused) {
  write_all(folder_ / "secret", "{}");
  for (const char* name : {"tokenizer_config.json", "chat_template.jinja"}) {
    std::filesystem::create_symlink("../secret", folder_ / "hf" / name);
    const auto text = read();
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().where, (folder_ / "hf" / name).string());
    std::filesystem::remove(folder_ / "hf" / name);
  }
}

}  // namespace
}  // namespace farthing
