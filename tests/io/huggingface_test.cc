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

TEST_F(HuggingFace, OneFileOpensWithItsConfiguration) {
  write_shard("model.safetensors", {"a", "b"});
  const auto directory = open();
  ASSERT_TRUE(directory) << directory.error().text();
  EXPECT_EQ(directory->config_text(), "{}");
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
  EXPECT_EQ(directory->entries().size(), 3u);
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(directory->tensor(name)->as<float>()[0], name[0]);
    EXPECT_EQ(directory->find(name)->name, name);
  }
  EXPECT_FALSE(directory->tensor("unnamed"));
}

TEST_F(HuggingFace, AMissingShardIsNamed) {
  write_index(R"({"a":"one.safetensors", "b":"one.safetensors"})");
  const auto directory = open();
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().what, "a shard that the index names is missing");
  EXPECT_EQ(directory.error().where, (folder_ / "one.safetensors").string());
  EXPECT_EQ(directory.error().got, "no such file");
  EXPECT_EQ(directory.error().wanted, "the file of 2 tensors, a the first");
}

TEST_F(HuggingFace, ATensorThatItsShardLacksIsNamed) {
  write_shard("one.safetensors", {"a"});
  write_index(R"({"a":"one.safetensors","b":"one.safetensors"})");
  const auto directory = open();
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().wanted, "the tensor 'b'");
  EXPECT_EQ(directory.error().where, (folder_ / "one.safetensors").string());
}

TEST_F(HuggingFace, ATensorInTwoShardsIsNamedWithBoth) {
  write_shard("one.safetensors", {"a", "b"});
  write_shard("two.safetensors", {"b", "c"});  // the index decides for one of them
  write_index(R"({"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"})");
  const auto directory = open();
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().what, "two shards hold a tensor of the same name");
  EXPECT_EQ(directory.error().where, (folder_ / "two.safetensors").string() + ", tensor b");
  EXPECT_EQ(directory.error().got, "a tensor that one.safetensors holds too");
  EXPECT_EQ(directory.error().wanted, "each tensor in one shard");
}

TEST_F(HuggingFace, AnEntryOfTheIndexThatIsNoNameIsNamed) {
  for (const char* shard : {"7", "null", "[\"one.safetensors\"]"}) {
    write_index(std::string("{\"a.b\":") + shard + "}");
    const auto directory = open();
    ASSERT_FALSE(directory) << shard;
    EXPECT_EQ(directory.error().what, "a field has the wrong type");
    EXPECT_EQ(directory.error().where,
              (folder_ / "model.safetensors.index.json").string() + ", weight_map, field a.b");
    EXPECT_EQ(directory.error().wanted, "a string");
  }
}

// Older writers counted tied tensors once and a boolean as an eighth of a byte.
TEST_F(HuggingFace, ATotalSizeThatLiesChangesNothing) {
  write_shard("one.safetensors", {"a"});
  for (const char* size : {"0", "-1", "1e300", "4.125", "\"large\"", "9223372036854775807"}) {
    write_all(folder_ / "model.safetensors.index.json",
              std::string("{\"metadata\":{\"total_size\":") + size +
                  "},\"weight_map\":{\"a\":\"one.safetensors\"}}");
    const auto directory = open();
    ASSERT_TRUE(directory) << size << directory.error().text();
    EXPECT_EQ(directory->tensor("a")->bytes(), 4) << size;
  }
}

class LinkedFiles : public HuggingFace {
 protected:
  // Makes `name` a link to `target`, and gives the error of opening the folder.
  Error error_with_link(const std::string& name, const std::filesystem::path& target) {
    std::filesystem::remove(folder_ / name);
    std::filesystem::create_symlink(target, folder_ / name);
    const auto directory = open();
    EXPECT_FALSE(directory) << name << " -> " << target;
    std::filesystem::remove(folder_ / name);
    return directory ? Error{} : directory.error();
  }
  ScratchFolder elsewhere_;
};

TEST_F(LinkedFiles, LinksThatLeaveTheFolderAreRefusedWhateverTheyLinkTo) {
  write_shard("one.safetensors", {"a"});
  write_all(elsewhere_ / "secret", "{}");
  const auto secret = std::filesystem::canonical(elsewhere_ / "secret");
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    const Error error = error_with_link(name, secret);
    EXPECT_EQ(error.what, "a file of the model is a link that leaves the model's folder");
    EXPECT_EQ(error.where, (folder_ / name).string());
    EXPECT_EQ(error.got, secret.string());
    EXPECT_EQ(error.wanted, "a file below " + std::filesystem::canonical(folder_.path()).string());
    EXPECT_FALSE(error.remedy.empty());
  }
  write_index(R"({"a":"two.safetensors"})");
  EXPECT_EQ(error_with_link("two.safetensors", secret).where,
            (folder_ / "two.safetensors").string());
  write_shard("model.safetensors", {"a"});
  EXPECT_EQ(error_with_link("config.json", secret).got, secret.string());
  EXPECT_EQ(
      error_with_link("config.json", "../" + elsewhere_.path().filename().string() + "/secret").got,
      secret.string());
}

TEST_F(LinkedFiles, LinksInsideOfTheFolderAndTheFolderItselfMayBeLinks) {
  std::filesystem::create_directory(folder_ / "files");
  write_shard("files/weights", {"a"});
  std::filesystem::create_symlink("files/weights", folder_ / "model.safetensors");
  std::filesystem::create_symlink(folder_.path(), elsewhere_ / "model");
  const auto directory = HuggingFaceDirectory::open(elsewhere_ / "model");
  ASSERT_TRUE(directory) << directory.error().text();
  EXPECT_EQ(directory->tensor("a")->as<float>()[0], 'a');
}

TEST_F(LinkedFiles, ASnapshotOfHuggingFacesCacheReadsItsBlobsAndNothingElse) {
  namespace fs = std::filesystem;
  write_shard("weights", {"a"});
  const fs::path name = elsewhere_ / "models--x--y", snapshot = name / "snapshots" / "0a1b";
  fs::create_directories(name / "blobs");
  fs::create_directories(snapshot);
  fs::copy_file(folder_ / "weights", name / "blobs" / "beef");
  fs::copy_file(folder_ / "config.json", name / "blobs" / "cafe");
  fs::create_symlink("../../blobs/beef", snapshot / "model.safetensors");
  fs::create_symlink("../../blobs/cafe", snapshot / "config.json");
  const auto directory = HuggingFaceDirectory::open(snapshot);
  ASSERT_TRUE(directory) << directory.error().text();
  EXPECT_EQ(directory->tensor("a")->as<float>()[0], 'a');

  write_all(name / "config.json", "{}");
  fs::remove(snapshot / "config.json");
  fs::create_symlink("../../config.json", snapshot / "config.json");
  const auto outside = HuggingFaceDirectory::open(snapshot);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().wanted, "a file below " + fs::canonical(snapshot).string() + " or " +
                                        fs::canonical(name / "blobs").string());
}

TEST_F(LinkedFiles, CompanionsOfASnapshotAreCopiedAsFiles) {
  namespace fs = std::filesystem;
  const fs::path snapshot = elsewhere_ / "models--x--y" / "snapshots" / "0a1b";
  fs::create_directories(snapshot.parent_path().parent_path() / "blobs");
  fs::create_directories(snapshot);
  write_all(snapshot.parent_path().parent_path() / "blobs" / "beef", "free");
  fs::create_symlink("../../blobs/beef", snapshot / "LICENSE");
  ScratchFolder into;
  ASSERT_TRUE(copy_companion_files(snapshot, into.path()));
  EXPECT_FALSE(fs::is_symlink(into / "LICENSE"));
  EXPECT_EQ(read_all(into / "LICENSE"), "free");
}

TEST_F(LinkedFiles, BlobsThatAreALinkAreNoBlobs) {
  namespace fs = std::filesystem;
  write_shard("weights", {"a"});
  const fs::path name = elsewhere_ / "models--x--y", snapshot = name / "snapshots" / "0a1b";
  fs::create_directories(snapshot);
  fs::create_symlink(folder_.path(), name / "blobs");
  fs::create_symlink("../../blobs/weights", snapshot / "model.safetensors");
  write_all(snapshot / "config.json", "{}");
  const auto directory = HuggingFaceDirectory::open(snapshot);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().got, fs::canonical(folder_ / "weights").string());
}

TEST_F(LinkedFiles, ALinkToNothingIsAFileThatIsNotThere) {
  write_shard("one.safetensors", {"a"});
  write_index(R"({"a":"one.safetensors"})");
  std::filesystem::create_symlink("nothing", folder_ / "model.safetensors");
  EXPECT_TRUE(open());
}

TEST_F(LinkedFiles, CompanionsThatAreLinksToElsewhereAreNotCopied) {
  write_all(elsewhere_ / "secret", "secret");
  std::filesystem::create_symlink(elsewhere_ / "secret", folder_ / "LICENSE");
  ScratchFolder into;
  const auto copied = copy_companion_files(folder_.path(), into.path());
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().where, (folder_ / "LICENSE").string());
  EXPECT_EQ(into.names(), std::vector<std::string>{});
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
  write_all(folder_ / "LICENSE", "free");
  write_all(folder_ / "tokenizer.json", "tokens");
  write_all(folder_ / "generation_config.json", "{}");
  ScratchFolder into;
  ASSERT_TRUE(copy_companion_files(folder_.path(), into.path()));
  EXPECT_EQ(into.names(),
            (std::vector<std::string>{"LICENSE", "generation_config.json", "tokenizer.json"}));
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
