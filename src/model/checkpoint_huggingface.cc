// Hugging Face directories as checkpoints: plain tensors, and the planes that `farthing quantize`
// wrote.
#include <fmt/format.h>

#include <map>

#include "formats/outliers.h"
#include "io/huggingface.h"
#include "io/json.h"
#include "io/model_folder.h"
#include "model/checkpoint.h"
#include "model/open_tokenizer.h"

namespace farthing {
namespace {

constexpr int64_t scheme_version = 1;
constexpr size_t companion_limit_bytes = size_t{64} << 20;

class HuggingFaceCheckpoint : public Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> open(const std::filesystem::path& path) {
    auto out = std::unique_ptr<HuggingFaceCheckpoint>(
        new HuggingFaceCheckpoint(TRY(HuggingFaceDirectory::open(path)), path));
    const auto json =
        TRY(JsonObject::parse(out->directory_.config_text(), (path / "config.json").string()));
    out->config_ = TRY(config_from_json(json));
    TRY(out->read_schemes(json));
    return out;
  }

  std::string_view kind() const override { return schemes_.empty() ? "safetensors" : "farthing"; }

  std::vector<StoredTensorInfo> tensors() const override {
    std::vector<StoredTensorInfo> out;
    std::map<std::string, std::string, std::less<>> quantized;  // first plane -> matrix
    for (const auto& [name, scheme] : schemes_)
      if (!scheme.weights->plain) quantized.emplace(first_plane(name, scheme), name);
    for (const auto& entry : directory_.entries()) {
      if (const auto found = quantized.find(entry.name); found != quantized.end()) {
        const Scheme& scheme = schemes_.at(found->second);
        StoredTensorInfo info{found->second, std::string(scheme.weights->name), entry.shape, 0};
        const LinearSpec& spec = linears_.at(found->second);
        info.shape = {spec.n, spec.k};
        for (const auto& plane : scheme.weights->planes(info.shape[0], info.shape[1], DType::f16))
          if (const auto* e = directory_.find(plane_tensor_name(found->second, plane.name)))
            info.bytes += e->end - e->begin;
        out.push_back(std::move(info));
      } else if (!is_other_plane(entry.name)) {
        out.push_back({entry.name, std::string(dtype_name(entry.dtype)), entry.shape,
                       entry.end - entry.begin});
      }
    }
    return out;
  }

  Result<Tensor> values(const std::string& name) const override {
    if (schemes_.contains(name)) return TRY(stored_matrix(linears_.at(name))).weight.decode();
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
    KvCacheFormat out{kv_codec_};
    if (kv_codec_info(kv_codec_).scaling != KvScaling::of_head) return out;
    auto scales = std::make_shared<KvScales>();
    for (const BlockPlan& block : config_.plan.blocks) {
      const KvScaleNames names = kv_scale_names(block);
      TRY(append_kv_scales(names.keys, scales->keys));
      TRY(append_kv_scales(names.values, scales->values));
    }
    out.scales = std::move(scales);
    return out;
  }

  Result<Tokenizer> tokenizer() const override { return tokenizer_of_folder(path_); }

  Result<std::string> chat_template() const override {
    // As in transformers, a file of its own goes before the field of tokenizer_config.json.
    const auto file = TRY(file_of_model(path_, "chat_template.jinja"));
    std::error_code code;
    if (std::filesystem::exists(file, code)) return read_text_file(file, companion_limit_bytes);
    return TRY(tokenizer_config_of_folder(path_)).chat_template.value_or("");
  }

  Result<std::string> config_json() const override {
    return TRY(JsonObject::parse(directory_.config_text(), (path_ / "config.json").string()))
        .without("quantization_config")
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

  static std::string first_plane(const std::string& name, const Scheme& scheme) {
    return plane_tensor_name(
        name, scheme.weights->planes(1, scheme.weights->block, DType::f16).front().name);
  }

  // Whether `name` is a plane of a quantized matrix other than its first.
  bool is_other_plane(const std::string& name) const {
    const auto dot = name.rfind('.');
    return dot != std::string::npos && schemes_.contains(name.substr(0, dot));
  }

  Result<> read_schemes(const JsonObject& json) {
    const TensorSpecs tensors = tensors_of(config_);
    for (const auto* specs : {&tensors.tables, &tensors.linears})
      for (const LinearSpec& spec : *specs) linears_.emplace(spec.name, spec);
    for (const char* field : {"quantization_config", "compression_config"}) {
      if (!json.has(field) || json.is_null(field)) continue;
      const auto section = TRY(json.object(field));
      const std::string method = TRY(section.string("quant_method", "(none)"));
      const int64_t version = TRY(section.integer("version", scheme_version));
      if (method != "farthing" || version != scheme_version) {
        return fail({.what = "a quantized checkpoint of a dialect that is not read",
                     .where = fmt::format("{}, field {}", json.where(), field),
                     .got = fmt::format("quant_method {}, version {}", method, version),
                     .wanted = fmt::format("quant_method farthing, version {}", scheme_version),
                     .remedy = "use the unquantized model, or a GGUF file of it"});
      }
      TRY(read_rotation(section));
      TRY(read_kv_codec(section));
      const auto linears = TRY(section.object("linears"));
      for (const std::string& name : linears.keys()) {
        auto scheme = parse_scheme(TRY(linears.member_string(name)));
        if (!scheme) {
          scheme.error().where = fmt::format("{}, {}.linears, {}", json.where(), field, name);
          return fail(std::move(scheme.error()));
        }
        if (!linears_.contains(name)) {
          return fail(
              {.what = "the quantization section names a linear that the model does not have",
               .where = fmt::format("{}, field {}.linears", json.where(), field),
               .got = name,
               .wanted = "names of the architecture's linears",
               .remedy = "the file is damaged: quantize the model again"});
        }
        schemes_.emplace(name, *scheme);
      }
    }
    return {};
  }

  Result<> read_kv_codec(const JsonObject& section) {
    const std::string name = TRY(section.string("kv_cache_dtype", "f32"));
    const auto codec = find_kv_codec(name);
    if (!codec) {
      return fail({.what = "the quantization section names a KV cache of an unknown type",
                   .where = fmt::format("{}, field kv_cache_dtype", section.where()),
                   .got = name,
                   .wanted = "one of " + kv_codec_names(),
                   .remedy = "correct the name, or quantize the model again"});
    }
    kv_codec_ = *codec;
    return {};
  }

  Result<> append_kv_scales(const std::string& name, std::vector<float>& to) const {
    if (directory_.find(name) == nullptr) {
      return fail({.what = "the scales of the model's KV cache are missing",
                   .where = fmt::format("{}, tensor {}", path_.string(), name),
                   .got = "no such tensor",
                   .wanted = fmt::format("F32 [{}], as {} needs it", config_.kv_heads,
                                         kv_codec_info(kv_codec_).name),
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

  Result<> read_rotation(const JsonObject& section) {
    if (!section.has("rotation")) return {};
    Rotation rotation = TRY(parse_rotation(TRY(section.string("rotation"))));
    rotation.seed = TRY(section.integer("rotation_seed", 0));
    return rotate_plan(config_, rotation, path_.string());
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
    return {
        .what = "a tensor has the wrong shape",
        .where = fmt::format("{}, tensor {}", path_.string(), name),
        .got = got.text(),
        .wanted = wanted.text(),
        .remedy = "config.json and the weights are of different models, or one of them is damaged"};
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

  // Whether its one size is free.
  static bool is_list(const PlaneSpec& plane) { return plane.dtype == DType::i32; }

  // The parameters of an activation format that has any.
  Result<StaticInput> stored_input(const LinearSpec& linear, Activations activations) const {
    StaticInput out;
    for (const PlaneSpec& plane : input_planes(activations, linear.k)) {
      const std::string name = plane_tensor_name(linear.name, plane.name);
      if (directory_.find(name) == nullptr) {
        return fail({.what = "a parameter of an activation format is missing",
                     .where = fmt::format("{}, tensor {}", path_.string(), name),
                     .got = "no such tensor",
                     .wanted = fmt::format("{} {}, as {} needs it", dtype_name(plane.dtype),
                                           is_list(plane) ? "[columns]" : "[1]",
                                           activations_name(activations)),
                     .remedy = "quantize the model again"});
      }
      const Tensor tensor = TRY(directory_.tensor(name));
      const bool fits = is_list(plane) ? tensor.shape().rank() == 1 && tensor.shape()[0] <= linear.k
                                       : tensor.shape() == plane.shape;
      if (!fits) return fail(shape_error(name, tensor.shape(), plane.shape));
      if (tensor.dtype() != plane.dtype) {
        return fail({.what = "a parameter of an activation format has the wrong element type",
                     .where = fmt::format("{}, tensor {}", path_.string(), name),
                     .got = std::string(dtype_name(tensor.dtype())),
                     .wanted = std::string(dtype_name(plane.dtype)),
                     .remedy = "the file is damaged: quantize the model again"});
      }
      take_input_plane(tensor, plane.name, out);
    }
    if (is_valid(activations, out) && out.outliers.fit(linear.k)) return out;
    const bool columns = !out.outliers.empty();
    return fail(
        {.what = "a parameter of an activation format is none that a calibration chooses",
         .where = fmt::format("{}, tensor {}", path_.string(),
                              plane_tensor_name(linear.name, input_planes(activations, 0)[0].name)),
         .got = columns ? fmt::format("{}", fmt::join(out.outliers.list(), ", "))
                        : fmt::format(
                              "{}", has_outliers(activations) ? out.outlier_threshold : out.scale),
         .wanted = columns ? fmt::format("ascending numbers of columns below {}", linear.k)
                           : "a finite number above 0",
         .remedy = "the file is damaged: quantize the model again"});
  }

  Result<StoredLinear> stored_matrix(const LinearSpec& spec) const {
    const auto found = schemes_.find(spec.name);
    StoredLinear out;
    out.weight.n = spec.n;
    out.weight.k = spec.k;
    if (found != schemes_.end()) {
      out.activations = found->second.activations;
      out.input = TRY(stored_input(spec, out.activations));
    }
    if (found == schemes_.end() || found->second.weights->plain) {
      std::string name = name_in_file(spec.name);
      const bool stacked = directory_.find(name) == nullptr && !spec.stack.empty();
      if (stacked) name = spec.stack;
      Tensor tensor = TRY(float_tensor(name));
      if (stacked) tensor = TRY(part_of(tensor, name, spec.in_stack));
      const Shape stored = spec.transposed ? Shape{spec.k, spec.n} : Shape{spec.n, spec.k};
      if (tensor.shape() != stored) return fail(shape_error(name, tensor.shape(), stored));
      if (spec.transposed) tensor = transposed(tensor);
      for (const Format& format : all_formats())
        if (format.plain == tensor.dtype()) out.weight.format = &format;
      out.weight.planes.push_back(std::move(tensor));
      return out;
    }
    const Format& format = *found->second.weights;
    out.weight.format = &format;
    if (spec.k % format.block != 0)
      return fail(shape_error(spec.name, {spec.n, spec.k}, {spec.n, format.block}));
    const auto scales = directory_.find(plane_tensor_name(spec.name, "scales"));
    const bool free_scales = is_scale_dtype(format.scale_dtype);
    out.weight.scale_dtype = scales != nullptr && free_scales ? scales->dtype : format.scale_dtype;
    for (const PlaneSpec& plane : format.planes(spec.n, spec.k, out.weight.scale_dtype)) {
      const std::string name = plane_tensor_name(spec.name, plane.name);
      Tensor tensor = TRY(directory_.tensor(name));
      if (plane.counted ? tensor.shape().rank() != 1 : tensor.shape() != plane.shape)
        return fail(shape_error(name, tensor.shape(), plane.shape));
      const bool of_choice = plane.name == "scales" && free_scales;
      if (tensor.dtype() != plane.dtype || (of_choice && !is_scale_dtype(tensor.dtype()))) {
        return fail(
            {.what = "a plane of a quantized matrix has the wrong element type",
             .where = fmt::format("{}, tensor {}", path_.string(), name),
             .got = std::string(dtype_name(tensor.dtype())),
             .wanted = of_choice ? "F16, BF16 or F32" : std::string(dtype_name(plane.dtype)),
             .remedy = "the file is damaged: quantize the model again"});
      }
      out.weight.planes.push_back(std::move(tensor));
    }
    TRY(check_outliers(out.weight, fmt::format("{}, tensor {}", path_.string(), spec.name)));
    return out;
  }

  HuggingFaceDirectory directory_;
  KvCodec kv_codec_ = KvCodec::f32;
  std::map<std::string, Scheme> schemes_;
  std::map<std::string, LinearSpec> linears_;  // tables too; by name, as a file may name thousands
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_hugging_face(const std::filesystem::path& path) {
  return HuggingFaceCheckpoint::open(path);
}

}  // namespace farthing
