// Which tokens end a text, by the files of a model.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/support/scratch_folder.h"
#include "io/gguf/gguf.h"
#include "model/checkpoint.h"
#include "model/support/tiny_model.h"

namespace farthing {
namespace {

using Tokens = std::vector<int32_t>;

class StopTokens : public ::testing::Test {
 protected:
  // Of a directory with this in its two files; no file of generation where there is no text.
  Result<Tokens> of(const std::string& config_eos, const std::string& generation) {
    testing::TinyModel model;
    model.set("eos_token_id", config_eos);
    std::filesystem::remove_all(folder_ / "hf");
    model.write_hugging_face(folder_ / "hf");
    if (!generation.empty()) write_all(generation_file(), generation);
    return TRY(Checkpoint::open(folder_ / "hf"))->config().stop_tokens;
  }
  std::filesystem::path generation_file() const {
    return folder_ / "hf" / "generation_config.json";
  }
  ScratchFolder folder_;
};

TEST_F(StopTokens, AreAllThatConfigJsonLists) {
  EXPECT_EQ(of("7", ""), (Tokens{7}));
  EXPECT_EQ(of("[7, 3]", ""), (Tokens{7, 3}));
  EXPECT_EQ(of("null", ""), Tokens{});
  EXPECT_EQ(Checkpoint::open(folder_ / "hf").value()->config().eos_token, std::nullopt);
}

TEST_F(StopTokens, TheFirstIsTheModelsEos) {
  ASSERT_TRUE(of("[7, 3]", ""));
  EXPECT_EQ(Checkpoint::open(folder_ / "hf").value()->config().eos_token, 7);
}

TEST_F(StopTokens, OfGenerationConfigGoBeforeThoseOfConfigJson) {
  EXPECT_EQ(of("7", R"({"eos_token_id": 4})"), (Tokens{4}));
  EXPECT_EQ(of("7", R"({"eos_token_id": [4, 7]})"), (Tokens{4, 7}));
  EXPECT_EQ(of("null", R"({"eos_token_id": [4]})"), (Tokens{4}));
}

TEST_F(StopTokens, OfConfigJsonCountWhereGenerationConfigHasNone) {
  EXPECT_EQ(of("7", R"({"temperature": 0.6})"), (Tokens{7}));
  EXPECT_EQ(of("7", R"({"eos_token_id": null})"), (Tokens{7}));
}

TEST_F(StopTokens, AnIdThatIsNoneIsNamedWithItsFile) {
  const auto negative = of("7", R"({"eos_token_id": [4, -1]})");
  ASSERT_FALSE(negative);
  EXPECT_EQ(negative.error().where, generation_file().string() + ", field eos_token_id");
  EXPECT_EQ(negative.error().got, "-1");
  EXPECT_EQ(negative.error().wanted, "0 to 16777215");
  const auto text = of("7", R"({"eos_token_id": "</s>"})");
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().where.find("generation_config.json"), std::string::npos);
}

TEST_F(StopTokens, ADamagedGenerationConfigIsAnError) {
  const auto damaged = of("7", "{");
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().where.find("generation_config.json"), std::string::npos);
}

TEST_F(StopTokens, AGenerationConfigOutsideOfTheFolderIsRefused) {
  ASSERT_TRUE(of("7", ""));
  write_all(folder_ / "elsewhere", R"({"eos_token_id": 4})");
  std::filesystem::create_symlink("../elsewhere", generation_file());
  const auto opened = Checkpoint::open(folder_ / "hf");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().where, generation_file().string());
}

class StopTokensOfGguf : public ::testing::Test {
 protected:
  StopTokensOfGguf() { set_tokens({"a", "<|im_end|>", "b", "</s>", "<|endoftext|>", "c"}); }
  void set_tokens(std::vector<std::string> tokens) { tokens_ = std::move(tokens); }
  void set(const char* key, uint32_t id) { ids_.emplace_back(key, id); }
  // Of a file with a tiny model and these metadata.
  Tokens read() {
    testing::TinyModel().write_gguf(folder_ / "plain.gguf");
    const auto plain = GgufFile::open(folder_ / "plain.gguf").value();
    GgufMetadataBuilder metadata;
    for (const auto& [key, value] : plain.metadata().values())
      if (!key.starts_with("tokenizer.")) metadata.set(key, value);
    metadata.set("tokenizer.ggml.tokens", tokens_);
    for (const auto& [key, id] : ids_) metadata.set(std::string("tokenizer.ggml.") + key, id);
    std::vector<GgufWriter::Declaration> tensors;
    for (const auto& entry : plain.tensors())
      tensors.push_back({entry.name, entry.type, entry.shape});
    auto writer = GgufWriter::create(folder_ / "made.gguf", metadata, tensors).value();
    for (const auto& entry : plain.tensors())
      EXPECT_TRUE(writer.write(entry.name, plain.bytes(entry).span()));
    EXPECT_TRUE(writer.commit());
    const auto made = Checkpoint::open(folder_ / "made.gguf");
    EXPECT_TRUE(made) << made.error().text();
    return made ? (*made)->config().stop_tokens : Tokens{};
  }
  ScratchFolder folder_;
  std::vector<std::string> tokens_;
  std::vector<std::pair<std::string, uint32_t>> ids_;
};

TEST_F(StopTokensOfGguf, AreEosThenTheEndsOfTurnAndMessage) {
  set_tokens({"a", "b", "c", "d"});
  set("eom_token_id", 1);
  set("eos_token_id", 3);
  set("eot_token_id", 2);
  EXPECT_EQ(read(), (Tokens{3, 2, 1}));
}

TEST_F(StopTokensOfGguf, AreAlsoThoseThatTheirTextsShowAndEachOnce) {
  set("eos_token_id", 1);
  EXPECT_EQ(read(), (Tokens{1, 4}));
}

// gpt-oss: an answer's channels each end with <|end|>.
TEST_F(StopTokensOfGguf, EndIsNoneWhereMessagesReturnAndCall) {
  set_tokens({"<|end|>", "<|return|>"});
  EXPECT_EQ(read(), (Tokens{0, 1}));
  set_tokens({"<|end|>", "<|return|>", "<|call|>"});
  EXPECT_EQ(read(), (Tokens{1, 2}));
}

}  // namespace
}  // namespace farthing
