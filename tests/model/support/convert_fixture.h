// What tests of converting share: models to convert, and what comes out.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "io/huggingface.h"
#include "io/json.h"
#include "model/dialects/writers/convert.h"
#include "model/rotation.h"
#include "model/support/models.h"
#include "quant/method.h"

namespace farthing::testing {

namespace fs = std::filesystem;

inline const fs::path fixtures_folder = FARTHING_SOURCE_DIR "/tests/model/data/dialects";

class Convert : public ::testing::Test {
 protected:
  Result<Conversion> convert(const fs::path& from, const std::string& to,
                             ConvertOptions options = {}) {
    const auto checkpoint = Checkpoint::open(from);
    if (!checkpoint) return fail(checkpoint.error());
    return convert_checkpoint(**checkpoint, *find_dialect_target(to), out(), options,
                              owner_.get().pool, progress_);
  }
  Result<> same_as(const fs::path& from, bool rounded = false) {
    return check_same_weights(*Checkpoint::open(from).value(), *Checkpoint::open(out()).value(),
                              rounded, progress_);
  }
  fs::path out() const { return folder_ / "out"; }

  // stories260k in this program's own files: its attention in a scheme, as the MLP's 172 rows fill
  // no whole words.
  fs::path stories(const std::string& scheme, const std::string& rotation = "",
                   const std::string& tables = "", const std::string& method = "rtn") {
    const fs::path to = folder_ / "stories";
    fs::remove_all(to);
    QuantizeOptions options;
    options.scheme = parse_scheme(scheme).value();
    parse_method(method)->apply(options);
    options.rules = rules_;
    options.kv_cache = kv_cache_;
    if (!rotation.empty()) options.rotation = parse_rotation(rotation).value();
    if (!tables.empty()) options.tables = parse_scheme(tables).value();
    const auto checkpoint = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
    const auto done = quantize_checkpoint(owner_.get(), *checkpoint, options, to, progress_,
                                          {.calibration = {.samples = 4, .context = 64}});
    EXPECT_TRUE(done) << done.error().text();
    return to;
  }
  // A fixture with other tensors.
  using Tensors = std::vector<std::pair<std::string, Tensor>>;
  fs::path rewritten(const std::string& fixture, const std::function<void(Tensors&)>& edit) {
    const fs::path to = folder_ / "rewritten";
    fs::remove_all(to);
    fs::copy(fixtures_folder / fixture, to);
    const auto directory = HuggingFaceDirectory::open(fixtures_folder / fixture).value();
    Tensors tensors;
    for (const auto& entry : directory.entries()) {
      const Tensor from = directory.tensor(entry.name).value();
      tensors.emplace_back(entry.name, Tensor(entry.dtype, entry.shape));
      std::memcpy(tensors.back().second.data(), from.data(), static_cast<size_t>(from.bytes()));
    }
    edit(tensors);
    EXPECT_TRUE(write_safetensors(to / "model.safetensors", tensors));
    return to;
  }
  // Every tensor of `from` with its type and bytes, and no other.
  void expect_same_tensors(const fs::path& from) const {
    const auto before = HuggingFaceDirectory::open(from).value(),
               after = HuggingFaceDirectory::open(out()).value();
    EXPECT_EQ(before.entries().size(), after.entries().size()) << from;
    for (const auto& tensor : before.entries()) {
      if (tensor.name.ends_with(".workspace")) continue;  // says nothing
      ASSERT_NE(after.find(tensor.name), nullptr) << from << ", " << tensor.name;
      const Tensor a = before.tensor(tensor.name).value(), b = after.tensor(tensor.name).value();
      EXPECT_EQ(a.dtype(), b.dtype()) << from << ", " << tensor.name;
      ASSERT_EQ(a.bytes(), b.bytes()) << from << ", " << tensor.name;
      EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())), 0)
          << from << ", " << tensor.name;
    }
  }
  Error error(const fs::path& from, const std::string& to, ConvertOptions options = {}) {
    const auto conversion = convert(from, to, options);
    EXPECT_FALSE(conversion) << "it was converted";
    EXPECT_FALSE(fs::exists(out()));
    return conversion ? Error{} : conversion.error();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  JsonObject config() const {
    const std::string text = read_text_file(out() / "config.json").value();
    return JsonObject::parse(text, "config.json").value();
  }

  ScratchFolder folder_;
  ContextOwner owner_{2, Isa::portable};
  NoProgress progress_;
  std::optional<KvCodec> kv_cache_;
  std::vector<QuantizeRule> rules_ = {{.layers = "*.mlp.*", .keep = true}};
};

}  // namespace farthing::testing
