// Fuzz target: a model.safetensors.index.json that holds any bytes, in a folder with two shards, a
// folder, a broken shard, and links inside the folder and out of it.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/huggingface.h"
#include "io/safetensors/safetensors.h"

namespace {
namespace fs = std::filesystem;
using farthing::DType;
using farthing::Tensor;

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// The folder model/ beside a secret; removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "farthing-fuzz-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    fs::create_directories(model() / "folder");
    write(model() / "config.json", "{}");
    write(model() / "broken.safetensors", "12345678{}");
    shard(model() / "one.safetensors", {"a", "b.weight"});
    shard(model() / "two.safetensors", {"c"});
    shard(model() / "twice.safetensors", {"a", "d"});
    shard(model() / "folder" / "inner", {"e"});
    shard(root_ / "secret.safetensors", {"secret"});
    fs::create_symlink("folder/inner", model() / "link.safetensors");
    fs::create_symlink("../secret.safetensors", model() / "outside.safetensors");
    fs::create_symlink("nothing", model() / "nothing.safetensors");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  fs::path model() const { return root_ / "model"; }

 private:
  static void shard(const fs::path& path, const std::vector<std::string>& names) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const std::string& name : names) {
      tensors.emplace_back(name, Tensor(DType::u8, farthing::Shape{2}));
      for (int64_t i = 0; i < 2; ++i) tensors.back().second.as<uint8_t>()[i] = 7;
    }
    CHECK(farthing::write_safetensors(path, tensors).has_value());
  }
  fs::path root_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  write(folder.model() / "model.safetensors.index.json",
        {reinterpret_cast<const char*>(data), size});
  const auto directory = farthing::HuggingFaceDirectory::open(folder.model());
  if (!directory) {
    const farthing::Error& error = directory.error();
    CHECK(error.where.starts_with(folder.model().string()) && !error.wanted.empty());
    return 0;
  }
  CHECK(!directory->entries().empty() && directory->find("secret") == nullptr);
  for (const auto& entry : directory->entries()) {
    const auto tensor = directory->tensor(entry.name);
    CHECK(tensor.has_value() && tensor->bytes() == 2 && tensor->span()[1] == std::byte{7});
  }
  return 0;
}
