// A model without weights: every tensor is a piece of one file that is nothing but a hole.
#include "advise/outline.h"

#include <fmt/format.h>

#include <algorithm>

#include "advise/hole.h"
#include "base/file.h"
#include "io/json.h"
#include "model/open_tokenizer.h"

namespace farthing {
namespace {

constexpr size_t config_limit_bytes = size_t{64} << 20;

class Outline : public Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> open(const std::filesystem::path& config) {
    auto out = std::unique_ptr<Outline>(new Outline);
    const auto json =
        TRY(JsonObject::parse(TRY(read_text_file(config, config_limit_bytes)), config.string()));
    out->config_ = TRY(config_from_json(json));
    out->path_ = config.parent_path().empty() ? "." : config.parent_path();
    out->config_text_ = json.without("quantization_config").text();
    for (const char* field : {"dtype", "torch_dtype"})
      if (const std::string name = TRY(json.string(field, "")); !name.empty())
        out->format_ = TRY(format_of(name, json.where() + ", field " + field));
    const TensorSpecs specs = tensors_of(out->config_);
    int64_t largest = 1;
    for (const auto* list : {&specs.tables, &specs.linears})
      for (const LinearSpec& spec : *list)
        largest = std::max(largest, out->bytes_of(spec.n * spec.k));
    for (const VectorSpec& spec : specs.vectors)
      largest = std::max(largest, out->bytes_of(spec.size));
    const Hole hole = TRY(Hole::make(largest));
    out->zeros_ = Storage::map(TRY(MappedFile::open(hole.path())));
    return out;
  }

  std::string_view kind() const override { return "config.json alone"; }
  std::vector<StoredTensorInfo> tensors() const override {
    std::vector<StoredTensorInfo> out;
    const TensorSpecs specs = tensors_of(config_);
    const std::string type(dtype_name(*format_->plain));
    for (const auto* list : {&specs.tables, &specs.linears})
      for (const LinearSpec& spec : *list)
        out.push_back({spec.name, type, {spec.n, spec.k}, bytes_of(spec.n * spec.k)});
    for (const VectorSpec& spec : specs.vectors)
      out.push_back({spec.name, type, {spec.size}, bytes_of(spec.size)});
    return out;
  }
  Result<Tensor> values(const std::string& name) const override {
    return fail({.what = "there are no weights",
                 .where = name,
                 .got = "config.json alone",
                 .wanted = "the model's weights",
                 .remedy = "download the whole model"});
  }
  Result<Tokenizer> tokenizer() const override { return tokenizer_of_folder(path_); }
  Result<std::string> chat_template() const override { return std::string(); }
  Result<std::string> config_json() const override { return config_text_; }
  Result<> write_companions(const std::filesystem::path&) const override { return {}; }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    const Shape shape{spec.n, spec.k};
    const DType type = *format_->plain;
    // a matrix that the file has the other way round is copied
    Tensor values = spec.transposed ? Tensor(type, shape) : Tensor(zeros_, 0, type, shape);
    return StoredLinear{{format_, spec.n, spec.k, DType::f16, {std::move(values)}},
                        Activations::f32};
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override {
    return to_f32(Tensor(zeros_, 0, *format_->plain, {spec.size}));
  }

 private:
  Outline() : format_(find_format("bf16")) {}

  static Result<const Format*> format_of(const std::string& type, std::string where) {
    const std::string name = type == "float32"    ? "f32"
                             : type == "float16"  ? "f16"
                             : type == "bfloat16" ? "bf16"
                                                  : type;
    const Format* format = find_format(name);
    if (format != nullptr && format->plain) return format;
    return fail({.what = "an element type that weights cannot have",
                 .where = std::move(where),
                 .got = type,
                 .wanted = "float32, float16 or bfloat16",
                 .remedy = "correct the field"});
  }
  int64_t bytes_of(int64_t elements) const { return elements * dtype_bytes(*format_->plain); }

  const Format* format_;
  std::string config_text_;
  std::shared_ptr<Storage> zeros_;
};

bool has_weights(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / "model.safetensors", ignored) ||
         std::filesystem::exists(folder / "model.safetensors.index.json", ignored);
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_outline(const std::filesystem::path& path) {
  std::error_code ignored;
  if (path.extension() == ".json") return Outline::open(path);
  const auto config = path / "config.json";
  if (std::filesystem::is_directory(path, ignored) && !has_weights(path) &&
      std::filesystem::exists(config, ignored))
    return Outline::open(config);
  return Checkpoint::open(path);
}

}  // namespace farthing
