// Hugging Face directories as checkpoints: plain tensors, and linears as a dialect stores them.
#include <fmt/format.h>

#include <map>
#include <set>

#include "io/huggingface.h"
#include "io/json.h"
#include "io/model_folder.h"
#include "model/checkpoint.h"
#include "model/dialects/dialect.h"
#include "model/dialects/stored_tensors.h"
#include "model/generation_config.h"
#include "model/open_tokenizer.h"
#include "model/transposed.h"

namespace farthing {
namespace {

constexpr size_t companion_limit_bytes = size_t{64} << 20;

class HuggingFaceCheckpoint : public Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> open(const std::filesystem::path& path) {
    auto out = std::unique_ptr<HuggingFaceCheckpoint>(
        new HuggingFaceCheckpoint(TRY(HuggingFaceDirectory::open(path)), path));
    const auto json =
        TRY(JsonObject::parse(out->directory_.config_text(), (path / "config.json").string()));
    out->config_ = TRY(config_from_json(json));
    out->config_.stop_tokens = TRY(stop_tokens_of_folder(path, out->config_));
    TRY(out->read_dialect(json));
    return out;
  }

  std::string_view kind() const override {
    return dialect_ ? dialect_->dialect->name : "safetensors";
  }

  std::vector<StoredTensorInfo> tensors() const override {
    std::vector<StoredTensorInfo> out;
    for (const auto& entry : directory_.entries()) {
      const auto users = users_.find(entry.name);
      if (users == users_.end()) {
        out.push_back({entry.name, std::string(dtype_name(entry.dtype)), entry.shape,
                       entry.end - entry.begin});
        continue;
      }
      for (const std::string& name : users->second) {
        const StoredAs& as = stored_.at(name);
        if (as.tensors.front() != entry.name) continue;
        const LinearSpec& spec = linears_.at(name);
        const bool plain = as.scheme.weights->plain.has_value();
        out.push_back({name,
                       std::string(plain ? dtype_name(entry.dtype) : as.scheme.weights->name),
                       {spec.n, spec.k},
                       bytes_of(as)});
      }
    }
    return out;
  }

  Result<Tensor> values(const std::string& name) const override {
    if (stored_.contains(name)) return TRY(stored_matrix(linears_.at(name))).weight.decode();
    return to_f32(TRY(float_tensor(name)));
  }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    auto out = TRY(stored_matrix(spec));
    TRY(check_finite(out.weight, spec.name));
    return out;
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }

  Result<Tensor> vector(const VectorSpec& spec) override {
    const std::string name = name_in_file(spec.name);
    if (directory_.find(name) == nullptr && !spec.stack.empty()) return row_of(spec);
    Tensor tensor = TRY(float_tensor(name));
    if (tensor.shape() != Shape{spec.size})
      return fail(shape_error(spec.name, tensor.shape(), {spec.size}));
    Tensor out = to_f32(tensor);
    TRY(check_finite(out, spec.name));
    return out;
  }

  Result<KvCacheFormat> kv_cache() override {
    KvCacheFormat out{dialect_ ? dialect_->reader->kv_codec() : KvCodec::f32};
    if (kv_codec_info(out.codec).scaling != KvScaling::of_head) return out;
    auto scales = std::make_shared<KvScales>();
    for (const BlockPlan& block : config_.plan.blocks) {
      const KvScaleNames names = kv_scale_names(block);
      TRY(append_kv_scales(out.codec, names.keys, scales->keys));
      TRY(append_kv_scales(out.codec, names.values, scales->values));
    }
    out.scales = std::move(scales);
    return out;
  }

  StatedKvCache stated_kv_cache() const override {
    return dialect_ ? dialect_->reader->stated_kv_cache() : StatedKvCache{};
  }

  void use_pool(ThreadPool* pool) override {
    Checkpoint::use_pool(pool);
    if (dialect_) dialect_->reader->use_pool(pool);
  }

  Result<Tokenizer> tokenizer() const override { return tokenizer_of_folder(path_); }

  Result<std::string> chat_template() const override {
    // As in transformers, a file of its own goes before the field of tokenizer_config.json.
    const auto file = TRY(file_of_model(path_, "chat_template.jinja"));
    std::error_code code;
    if (std::filesystem::exists(file, code)) return read_text_file(file, companion_limit_bytes);
    return TRY(tokenizer_config_of_folder(path_)).chat_template.value_or("");
  }

  Result<> each_plain_tensor(const UseTensor& use) override {
    std::set<std::string> of_cache;  // scales that no other program knows
    if (dialect_ && dialect_->reader->kv_codec() != KvCodec::f32)
      for (const BlockPlan& block : config_.plan.blocks) {
        const KvScaleNames names = kv_scale_names(block);
        of_cache.insert({names.keys, names.values});
      }
    for (const auto& entry : directory_.entries()) {
      const auto users = users_.find(entry.name);
      const bool quantized =
          users != users_.end() && !stored_.at(users->second.front()).scheme.weights->plain;
      if (!quantized && !of_cache.contains(entry.name))
        TRY(use(entry.name, TRY(directory_.tensor(entry.name))));
    }
    return {};
  }

  Result<std::string> config_json() const override {
    return TRY(JsonObject::parse(directory_.config_text(), (path_ / "config.json").string()))
        .without("quantization_config")
        .without("compression_config")
        .text();
  }

  Result<> write_companions(const std::filesystem::path& folder) const override {
    return copy_companion_files(path_, folder);
  }

 private:
  HuggingFaceCheckpoint(HuggingFaceDirectory directory, std::filesystem::path path)
      : directory_(std::move(directory)) {
    path_ = std::move(path);
  }

  Result<> read_dialect(const JsonObject& json) {
    dialect_ = TRY(open_dialect(directory_, json, config_));
    const TensorSpecs tensors = tensors_of(config_);
    for (const auto* specs : {&tensors.tables, &tensors.linears}) {
      for (const LinearSpec& spec : *specs) {
        linears_.emplace(spec.name, spec);
        if (!dialect_) continue;
        const bool embedding = spec.name == config_.plan.embedding.name + ".weight";
        auto as = TRY(dialect_->reader->find(spec, embedding));
        if (!as) continue;
        for (const std::string& tensor : as->tensors) users_[tensor].push_back(spec.name);
        stored_.emplace(spec.name, std::move(*as));
      }
    }
    return {};
  }

  // Of a linear's tensors; where linears share one, of its part.
  int64_t bytes_of(const StoredAs& as) const {
    int64_t sum = 0;
    for (const std::string& name : as.tensors)
      if (const auto* entry = directory_.find(name))
        sum += (entry->end - entry->begin) / static_cast<int64_t>(users_.at(name).size());
    return sum;
  }

  Result<> append_kv_scales(KvCodec codec, const std::string& name, std::vector<float>& to) const {
    if (directory_.find(name) == nullptr) {
      return fail({.what = "the scales of the model's KV cache are missing",
                   .where = fmt::format("{}, tensor {}", path_.string(), name),
                   .got = "no such tensor",
                   .wanted = fmt::format("F32 [{}], as {} needs it", config_.kv_heads,
                                         kv_codec_info(codec).name),
                   .remedy = "quantize the model again"});
    }
    const Tensor tensor = TRY(directory_.tensor(name));
    if (tensor.shape() != Shape{config_.kv_heads})
      return fail(shape_error(name, tensor.shape(), {config_.kv_heads}));
    const bool floats = tensor.dtype() == DType::f32;
    for (int64_t head = 0; head < config_.kv_heads; ++head) {
      const float scale = floats ? tensor.as<float>()[head] : 0;
      if (!is_valid(Activations::int8_static, {scale, 0})) {
        return fail({.what = "a scale of the model's KV cache is no scale",
                     .where = fmt::format("{}, tensor {}, head {}", path_.string(), name, head),
                     .got = floats ? fmt::format("{}", scale)
                                   : fmt::format("type {}", dtype_name(tensor.dtype())),
                     .wanted = "a finite number above 0, as F32",
                     .remedy = "the file is damaged: quantize the model again"});
      }
      to.push_back(scale);
    }
    return {};
  }

  // A tied model's one table may be stored under the head's name; and what a base model wrote has
  // no "model." or "transformer." before its names.
  std::string name_in_file(const std::string& name) const {
    if (directory_.find(name) != nullptr) return name;
    const bool table = name == config_.plan.embedding.name + ".weight";
    if (config_.tied_embeddings() && table && directory_.find("lm_head.weight") != nullptr)
      return "lm_head.weight";
    std::string bare = name.substr(name.find('.') + 1);
    return directory_.find(bare) != nullptr ? bare : name;
  }

  Result<Tensor> part_of(const Tensor& stack, const std::string& name, int64_t index) const {
    if (stack.shape().rank() == 3 && index < stack.shape()[0]) return stack.part(index);
    return fail({.what = "a tensor has the wrong shape",
                 .where = fmt::format("{}, tensor {}", path_.string(), name),
                 .got = stack.shape().text(),
                 .wanted = fmt::format("three dimensions, the first at least {}", index + 1),
                 .remedy = "config.json and the weights are of different models, or one of them is "
                           "damaged"});
  }

  // Row in_stack of a matrix.
  Result<Tensor> row_of(const VectorSpec& spec) const {
    const Tensor stack = TRY(float_tensor(spec.stack));
    if (stack.shape().rank() != 2 || stack.shape()[0] <= spec.in_stack ||
        stack.shape()[1] != spec.size)
      return fail(shape_error(spec.stack, stack.shape(), {spec.in_stack + 1, spec.size}));
    const Tensor as_stack = stack.reshaped({stack.shape()[0], 1, spec.size});
    Tensor out = to_f32(as_stack.part(spec.in_stack).reshaped({spec.size}));
    TRY(check_finite(out, spec.stack));
    return out;
  }

  Error shape_error(const std::string& name, const Shape& got, const Shape& wanted) const {
    return tensor_shape_error(directory_, name, got, wanted);
  }

  Result<Tensor> float_tensor(const std::string& name) const {
    Tensor tensor = TRY(directory_.tensor(name));
    if (tensor.dtype() == DType::f32 || tensor.dtype() == DType::f16 ||
        tensor.dtype() == DType::bf16)
      return tensor;
    return fail({.what = "a tensor has an element type that weights cannot have",
                 .where = fmt::format("{}, tensor {}", path_.string(), name),
                 .got = std::string(dtype_name(tensor.dtype())),
                 .wanted = "F32, F16 or BF16",
                 .remedy = "convert the checkpoint to one of these"});
  }

  Result<StoredLinear> stored_matrix(const LinearSpec& spec) const {
    StoredLinear out;
    if (const auto as = stored_.find(spec.name); as != stored_.end())
      out = TRY(dialect_->reader->read(spec, as->second));
    if (out.weight.format == nullptr) out.weight = TRY(plain_matrix(spec));
    return out;
  }

  Result<QuantizedTensor> plain_matrix(const LinearSpec& spec) const {
    QuantizedTensor out{nullptr, spec.n, spec.k, DType::f16, {}};
    std::string name = name_in_file(spec.name);
    const bool stacked = directory_.find(name) == nullptr && !spec.stack.empty();
    if (stacked) name = spec.stack;
    Tensor tensor = TRY(float_tensor(name));
    if (stacked) tensor = TRY(part_of(tensor, name, spec.in_stack));
    const Shape stored = spec.transposed ? Shape{spec.k, spec.n} : Shape{spec.n, spec.k};
    if (tensor.shape() != stored) return fail(shape_error(name, tensor.shape(), stored));
    if (spec.transposed) tensor = transposed(tensor);
    for (const Format& format : all_formats())
      if (format.plain == tensor.dtype()) out.format = &format;
    out.planes.push_back(std::move(tensor));
    return out;
  }

  HuggingFaceDirectory directory_;
  std::optional<OpenedDialect> dialect_;
  // By a linear's name, tables too, as a file may name thousands: what it is, and how the dialect
  // stores it; and by the tensors of these, who is made of them.
  std::map<std::string, LinearSpec> linears_;
  std::map<std::string, StoredAs> stored_;
  std::map<std::string, std::vector<std::string>, std::less<>> users_;
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_hugging_face(const std::filesystem::path& path) {
  return HuggingFaceCheckpoint::open(path);
}

}  // namespace farthing
