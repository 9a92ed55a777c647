// Hugging Face directories: one file, shards, and what an index may not do.
#include "io/huggingface.h"

#include <gtest/gtest.h>

#include "base/support/disk_trouble.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

class HuggingFace : public testing::Test {
 protected:
  HuggingFace() { write_all(folder_ / "config.json", "{}"); }
  void write_shard(const std::string& name, const std::vector<std::string>& tensors) {
    std::vector<std::pair<std::string, Tensor>> out;
    for (const auto& tensor : tensors) {
      out.emplace_back(tensor, Tensor(DType::f32, Shape{1}));
      out.back().second.as<float>()[0] = static_cast<float>(tensor[0]);
    }
    ASSERT_TRUE(write_safetensors(folder_ / name, out, {{"format", "pt"}}));
  }
  void write_index(const std::string& map) {
    write_all(folder_ / "model.safetensors.index.json",
              "{\"metadata\":{},\"weight_map\":" + map + "}");
  }
  Result<HuggingFaceDirectory> open() const { return HuggingFaceDirectory::open(folder_.path()); }
  ScratchFolder folder_;
};

TEST_F(HuggingFace, OneFileOpensWithItsTexts) {
  write_shard("model.safetensors", {"a", "b"});
  write_all(folder_ / "tokenizer.json", "tokens");
  const auto directory = open();
  ASSERT_TRUE(directory) << directory.error().text();
  EXPECT_EQ(directory->config_text(), "{}");
  EXPECT_EQ(directory->tokenizer_text(), "tokens");
  EXPECT_EQ(directory->metadata().at("format"), "pt");
  EXPECT_EQ(directory->entries().size(), 2u);
  EXPECT_EQ(directory->tensor("b")->as<float>()[0], 'b');
  EXPECT_FALSE(directory->tensor("c"));
  EXPECT_EQ(directory->find("c"), nullptr);
}

TEST_F(HuggingFace, ShardsAreJoinedByTheIndex) {
  write_shard("one.safetensors", {"a", "c", "unnamed"});
  write_shard("two.safetensors", {"b"});
  write_index(R"({"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"})");
  const auto directory = open();
  ASSERT_TRUE(directory) << directory.error().text();
  EXPECT_EQ(directory->tokenizer_text(), std::nullopt);
  EXPECT_EQ(directory->entries().size(), 3u);
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(directory->tensor(name)->as<float>()[0], name[0]);
    EXPECT_EQ(directory->find(name)->name, name);
  }
  EXPECT_FALSE(directory->tensor("unnamed"));
}

TEST_F(HuggingFace, AMissingShardIsNamed) {
  write_index(R"({"a":"one.safetensors"})");
  EXPECT_EQ(open().error().where, (folder_ / "one.safetensors").string());
}

TEST_F(HuggingFace, ATensorThatItsShardLacksIsNamed) {
  write_shard("one.safetensors", {"a"});
  write_index(R"({"a":"one.safetensors","b":"one.safetensors"})");
  const auto directory = open();
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().wanted, "b");
  EXPECT_EQ(directory.error().where, (folder_ / "one.safetensors").string());
}

TEST_F(HuggingFace, ShardsOutsideOfTheFolderAreRefused) {
  write_shard("one.safetensors", {"a"});
  const std::string absolute = (folder_ / "one.safetensors").string();
  for (const std::string& name :
       {std::string("../") + folder_.path().filename().string() + "/one.safetensors", absolute,
        std::string("./one.safetensors"), std::string(".."), std::string("."), std::string(),
        std::string("one.safetensors\\u0000x"), std::string("a\\\\b")}) {
    write_index("{\"a\":\"" + name + "\"}");
    const auto directory = open();
    ASSERT_FALSE(directory) << name;
    EXPECT_EQ(directory.error().what, "the index names a file outside of its folder") << name;
  }
}

TEST_F(HuggingFace, FoldersWithoutConfigOrWeightsAreRefused) {
  EXPECT_EQ(open().error().what, "the folder holds no weights");
  write_index("{}");
  EXPECT_EQ(open().error().got, "an empty weight_map");
  write_shard("model.safetensors", {"a"});
  std::filesystem::remove(folder_ / "config.json");
  EXPECT_EQ(open().error().where, (folder_ / "config.json").string());
}

TEST_F(HuggingFace, CompanionFilesAreCopiedAndWeightsAreNot) {
  write_shard("model.safetensors", {"a"});
  write_all(folder_ / "tokenizer.json", "tokens");
  write_all(folder_ / "LICENSE", "free");
  ScratchFolder into;
  ASSERT_TRUE(copy_companion_files(folder_.path(), into.path()));
  EXPECT_EQ(into.names(), (std::vector<std::string>{"LICENSE", "tokenizer.json"}));
  EXPECT_EQ(read_all(into / "tokenizer.json"), "tokens");
}

TEST_F(HuggingFace, AFullDiskStopsTheCopyAndLeavesNoPart) {
  write_all(folder_ / "tokenizer.json", std::string(100, 'x'));
  ScratchFolder into;
  {
    FileSizeLimit limit(50);
    EXPECT_FALSE(copy_companion_files(folder_.path(), into.path()));
  }
  EXPECT_EQ(into.names(), std::vector<std::string>{});
}

}  // namespace
}  // namespace farthing
