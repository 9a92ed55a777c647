// Writing a checkpoint: one linear in memory at a time, renamed when complete.
#include "model/checkpoint_writer.h"

#include <fmt/format.h>

#include "base/json_writer.h"
#include "io/json.h"
#include "io/safetensors/safetensors.h"
#include "model/transposed.h"

namespace farthing {
namespace {

std::string full_name(const Scheme& scheme) {
  return fmt::format("{}@{}", scheme.weights->name, activations_name(scheme.activations));
}

class Writer {
 public:
  Writer(const CheckpointWriting& what, Progress& progress) : what_(what), progress_(progress) {}

  Result<> write(const std::filesystem::path& to) {
    auto directory = TRY(AtomicDirectory::create(to, checkpoint_manifest_name));
    kv_cache_ = TRY(what_.source.kv_cache());
    TRY(kv_cache_.check(kv_cache_.codec));
    const TensorSpecs specs = tensors_of(what_.from.config());
    auto file = TRY(SafetensorsWriter::create(directory.path() / "model.safetensors",
                                              TRY(declare(specs)), {{"format", "pt"}}));
    const double total = static_cast<double>(specs.linears.size() + specs.tables.size());
    double done = 0;
    for (const LinearSpec& spec : specs.tables) {
      progress_.update(done++, total, spec.name);
      TRY(put(file, spec, TRY(what_.source.table(spec))));
    }
    for (const LinearSpec& spec : specs.linears) {
      progress_.update(done++, total, spec.name);
      TRY(put(file, spec, TRY(what_.source.linear(spec))));
    }
    for (const VectorSpec& spec : specs.vectors)
      TRY(file.write(spec.name, TRY(what_.source.vector(spec)).span()));
    TRY(put_kv_scales(file));
    progress_.update(total, total, "writing");
    TRY(file.commit());
    const auto config = TRY(JsonObject::parse(TRY(what_.from.config_json()), "config.json"));
    TRY(write_text_file(
        directory.path() / "config.json",
        TRY(config.with("quantization_config", quantization_section())).text() + "\n"));
    TRY(what_.from.write_companions(directory.path()));
    TRY(write_text_file(directory.path() / checkpoint_manifest_name, what_.manifest()));
    return directory.commit();
  }

 private:
  // What the file will hold, before any weight is there.
  Result<std::vector<SafetensorsWriter::Declaration>> declare(const TensorSpecs& specs) {
    std::vector<SafetensorsWriter::Declaration> out;
    const auto add = [&](const LinearSpec& spec, const CheckpointWriting::Linear& linear) {
      const Format& format = *linear.scheme.weights;
      auto planes = format.planes(spec.n, spec.k, linear.scale_dtype.value_or(format.scale_dtype));
      for (const PlaneSpec& plane : input_planes(linear.scheme.activations, linear.outliers))
        planes.push_back(plane);
      if (spec.transposed && format.plain) planes.front().shape = {spec.k, spec.n};
      for (const PlaneSpec& plane : planes)
        out.push_back({plane_tensor_name(spec.name, plane.name), plane.dtype,
                       plane.counted ? Shape{spec.n * spec.k} : plane.shape, plane.counted});
    };
    for (const LinearSpec& spec : specs.linears) add(spec, TRY(what_.linear_of(spec, false)));
    for (const LinearSpec& spec : specs.tables) add(spec, TRY(what_.linear_of(spec, true)));
    for (const VectorSpec& spec : specs.vectors)
      out.push_back({spec.name, DType::f32, {spec.size}});
    if (!has_kv_scales()) return out;
    const ModelConfig& config = what_.from.config();
    for (const BlockPlan& block : config.plan.blocks) {
      const KvScaleNames names = kv_scale_names(block);
      out.push_back({names.keys, DType::f32, {config.kv_heads}});
      out.push_back({names.values, DType::f32, {config.kv_heads}});
    }
    return out;
  }

  bool has_kv_scales() const {
    return kv_codec_info(kv_cache_.codec).scaling == KvScaling::of_head;
  }

  Result<> put_kv_scales(SafetensorsWriter& file) {
    if (!has_kv_scales()) return {};
    const auto heads = static_cast<size_t>(what_.from.config().kv_heads);
    size_t at = 0;
    for (const BlockPlan& block : what_.from.config().plan.blocks) {
      const KvScaleNames names = kv_scale_names(block);
      const auto of_layer = [&](const std::vector<float>& scales) {
        return std::as_bytes(std::span(scales).subspan(at, heads));
      };
      TRY(file.write(names.keys, of_layer(kv_cache_.scales->keys)));
      TRY(file.write(names.values, of_layer(kv_cache_.scales->values)));
      at += heads;
    }
    return {};
  }

  Result<> put(SafetensorsWriter& file, const LinearSpec& spec, StoredLinear linear) {
    const std::string& name = spec.name;
    if (spec.transposed && linear.weight.format->plain)
      linear.weight.planes[0] = transposed(linear.weight.planes[0]);
    const auto specs =
        linear.weight.format->planes(linear.weight.n, linear.weight.k, linear.weight.scale_dtype);
    for (size_t i = 0; i < specs.size(); ++i)
      TRY(file.write(plane_tensor_name(name, specs[i].name),
                     std::as_const(linear.weight.planes[i]).span()));
    for (const PlaneSpec& plane : input_planes(linear.activations, linear.input.outliers.count())) {
      const Tensor value = input_plane(linear.input, plane.name);
      TRY(file.write(plane_tensor_name(name, plane.name), value.span()));
    }
    schemes_.emplace_back(name, full_name({linear.weight.format, linear.activations}));
    return {};
  }

  std::string quantization_section() const {
    JsonWriter json;
    json.begin_object().field("quant_method", "farthing").field("version", 1);
    json.field("method", what_.method);
    json.field("scheme", full_name(what_.scheme));
    if (what_.scale_rule) json.field("scale_rule", scale_rule_name(*what_.scale_rule));
    if (kv_cache_.codec != KvCodec::f32)
      json.field("kv_cache_dtype", kv_codec_info(kv_cache_.codec).name);
    if (const Rotation& rotation = what_.from.config().plan.rotation; rotation.any())
      json.field("rotation", rotation.name()).field("rotation_seed", rotation.seed);
    json.key("linears").begin_object();
    for (const auto& [name, scheme] : schemes_) json.field(name, scheme);
    json.end_object().end_object();
    return json.take();
  }

  const CheckpointWriting& what_;
  Progress& progress_;
  KvCacheFormat kv_cache_;
  std::vector<std::pair<std::string, std::string>> schemes_;
};

}  // namespace

Result<> write_checkpoint(const CheckpointWriting& what, const std::filesystem::path& to,
                          Progress& progress) {
  return Writer(what, progress).write(to);
}

}  // namespace farthing
