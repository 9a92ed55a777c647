// Opening of Hugging Face model directories.
#include "io/huggingface.h"

#include <fmt/format.h>

#include "base/file.h"
#include "io/json.h"
#include "io/model_folder.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";
constexpr size_t config_limit_bytes = size_t{64} << 20;

// An index may only name files that lie in its own folder.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

Result<HuggingFaceDirectory> HuggingFaceDirectory::open(const fs::path& path) {
  HuggingFaceDirectory directory;
  directory.path_ = path;
  directory.config_text_ =
      TRY(read_text_file(TRY(file_of_model(path, "config.json")), config_limit_bytes));
  const fs::path single = TRY(file_of_model(path, single_name)),
                 index = TRY(file_of_model(path, index_name));
  if (is_there(single)) {
    TRY(directory.open_single(single));
  } else if (is_there(index)) {
    TRY(directory.open_sharded(index));
  } else {
    return fail(
        {.what = "the folder holds no weights",
         .where = path.string(),
         .got = fmt::format("neither {} nor {}", single_name, index_name),
         .wanted = "one of them",
         .remedy =
             "download the safetensors files of the model; convert weights in other formats"});
  }
  return directory;
}

Result<> HuggingFaceDirectory::open_single(const fs::path& file) {
  shards_.push_back(TRY(SafetensorsFile::open(file)));
  entries_ = shards_.front().entries();
  for (size_t i = 0; i < entries_.size(); ++i) places_[entries_[i].name] = {0, i};
  return {};
}

Result<> HuggingFaceDirectory::open_sharded(const fs::path& index) {
  const std::string text = TRY(read_text_file(index, config_limit_bytes));
  const JsonObject root = TRY(JsonObject::parse(text, index.string()));
  const JsonObject weight_map = TRY(root.object("weight_map"));
  std::map<std::string, std::vector<std::string>> tensors_of;  // by shard
  for (const std::string& tensor : weight_map.keys()) {
    const std::string shard = TRY(weight_map.member_string(tensor));
    if (!is_plain_file_name(shard)) {
      return fail({.what = "the index names a file outside of its folder",
                   .where = fmt::format("{}, tensor {}", index.string(), tensor),
                   .got = shard,
                   .wanted = "a plain file name",
                   .remedy = "do not use this model, or correct its index"});
    }
    tensors_of[shard].push_back(tensor);
  }
  if (tensors_of.empty()) {
    return fail({.what = "the index names no tensors",
                 .where = index.string(),
                 .got = "an empty weight_map",
                 .wanted = "the file of each tensor",
                 .remedy = "download the model again"});
  }
  for (const auto& [shard, tensors] : tensors_of) {
    const fs::path file = TRY(file_of_model(path_, shard));
    if (!is_there(file)) {
      return fail({.what = "a shard that the index names is missing",
                   .where = file.string(),
                   .got = "no such file",
                   .wanted = fmt::format("the file of {} tensors, {} the first", tensors.size(),
                                         tensors.front()),
                   .remedy = "the download may be incomplete: download the model again"});
    }
    shards_.push_back(TRY(SafetensorsFile::open(file)));
    for (const std::string& tensor : tensors) {
      const auto* entry = shards_.back().find(tensor);
      if (entry == nullptr) {
        return fail({.what = "a shard lacks a tensor that the index places in it",
                     .where = (path_ / shard).string(),
                     .got = fmt::format("{} other tensors", shards_.back().entries().size()),
                     .wanted = fmt::format("the tensor '{}'", tensor),
                     .remedy = "download the model again"});
      }
      places_[tensor] = {shards_.size() - 1, entries_.size()};
      entries_.push_back(*entry);
    }
  }
  std::vector<std::string> names;
  for (const auto& [shard, tensors] : tensors_of) names.push_back(shard);
  return check_each_tensor_once(names);
}

Result<> HuggingFaceDirectory::check_each_tensor_once(const std::vector<std::string>& names) const {
  std::map<std::string_view, size_t> shard_of;
  for (size_t i = 0; i < shards_.size(); ++i) {
    for (const auto& entry : shards_[i].entries()) {
      const auto [at, is_first] = shard_of.emplace(entry.name, i);
      if (is_first) continue;
      return fail(
          {.what = "two shards hold a tensor of the same name",
           .where = fmt::format("{}, tensor {}", (path_ / names[i]).string(), entry.name),
           .got = fmt::format("a tensor that {} holds too", names[at->second]),
           .wanted = "each tensor in one shard",
           .remedy = "shards of different downloads may be mixed: download the model again"});
    }
  }
  return {};
}

const SafetensorsFile::Entry* HuggingFaceDirectory::find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &entries_[found->second.entry];
}

Result<Tensor> HuggingFaceDirectory::tensor(std::string_view name) const {
  const auto found = places_.find(name);
  if (found != places_.end())
    return shards_[found->second.shard].tensor(entries_[found->second.entry]);
  return fail({.what = "the model has no such tensor",
               .where = path_.string(),
               .got = fmt::format("{} other tensors", entries_.size()),
               .wanted = fmt::format("the tensor '{}'", name),
               .remedy = "check that config.json and the weights belong together"});
}

Result<> copy_companion_files(const fs::path& from, const fs::path& into) {
  constexpr const char* names[] = {"tokenizer.json",
                                   "tokenizer_config.json",
                                   "special_tokens_map.json",
                                   "added_tokens.json",
                                   "vocab.json",
                                   "merges.txt",
                                   "vocab.txt",
                                   "tokenizer.model",
                                   "chat_template.jinja",
                                   "chat_template.json",
                                   "generation_config.json",
                                   "LICENSE",
                                   "LICENSE.txt",
                                   "NOTICE"};
  for (const char* name : names) {
    const fs::path source = TRY(file_of_model(from, name));
    if (!is_there(source)) continue;
    const auto file = TRY(MappedFile::open(source));
    auto copy = TRY(AtomicFile::create(into / name));
    TRY(copy.write(file->bytes()));
    TRY(copy.commit());
  }
  return {};
}

}  // namespace farthing
