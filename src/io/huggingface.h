// Hugging Face model directories: config.json, and weights in one safetensors file or in shards.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/safetensors/safetensors.h"

namespace farthing {

class HuggingFaceDirectory {
 public:
  // Opens every shard. A missing shard, a tensor that the index names and its shard lacks or that
  // two shards hold, and a link that leaves the folder (io/model_folder.h) are errors. What the
  // index says of sizes is not read: the shards' headers say it, and are checked.
  static Result<HuggingFaceDirectory> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::string& config_text() const { return config_text_; }
  // The metadata of the first weight file.
  const SafetensorsMetadata& metadata() const { return shards_.front().metadata(); }

  // All tensors, shard by shard; with an index only those that it names. begin and end count in the
  // shard.
  const std::vector<SafetensorsFile::Entry>& entries() const { return entries_; }
  const SafetensorsFile::Entry* find(std::string_view name) const;
  // As SafetensorsFile::tensor.
  Result<Tensor> tensor(std::string_view name) const;

 private:
  struct Place {
    size_t shard, entry;
  };
  HuggingFaceDirectory() = default;
  Result<> open_single(const std::filesystem::path& file);
  Result<> open_sharded(const std::filesystem::path& index);
  // `names` are the shards'.
  Result<> check_each_tensor_once(const std::vector<std::string>& names) const;

  std::filesystem::path path_;
  std::string config_text_;
  std::vector<SafetensorsFile> shards_;
  std::vector<SafetensorsFile::Entry> entries_;
  std::map<std::string, Place, std::less<>> places_;
};

// Copies what stands beside the weights and config.json in `from` and is needed to use the model
// (tokenizer, chat template, generation defaults, licence) into the folder `into`.
Result<> copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& into);

}  // namespace farthing
