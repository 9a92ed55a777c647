// Writing a quantized model as a Hugging Face directory: one linear in memory at a time.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

constexpr const char* manifest_name = "farthing.json";

std::string full_name(const StoredLinear& linear) {
  return fmt::format("{}@{}", linear.weight.format->name, activations_name(linear.activations));
}

class Writer {
 public:
  Writer(Context& context, Checkpoint& from, const QuantizeOptions& options, Progress& progress)
      : from_(from), source_(context, from, options), options_(options), progress_(progress) {}

  Result<std::vector<LayerReport>> write(const std::filesystem::path& to) {
    auto directory = TRY(AtomicDirectory::create(to, manifest_name));
    const TensorSpecs specs = tensors_of(from_.config());
    auto file = TRY(SafetensorsWriter::create(directory.path() / "model.safetensors",
                                              TRY(declare(specs)), {{"format", "pt"}}));
    const double total = static_cast<double>(specs.linears.size() + specs.tables.size());
    double done = 0;
    for (const LinearSpec& spec : specs.tables) {
      progress_.update(done++, total, spec.name);
      TRY(put(file, spec.name, TRY(source_.table(spec))));
    }
    for (const LinearSpec& spec : specs.linears) {
      progress_.update(done++, total, spec.name);
      TRY(put(file, spec.name, TRY(source_.linear(spec))));
    }
    for (const VectorSpec& spec : specs.vectors)
      TRY(file.write(spec.name, TRY(source_.vector(spec)).span()));
    progress_.update(total, total, "writing");
    TRY(file.commit());
    const auto config = TRY(JsonObject::parse(TRY(from_.config_json()), "config.json"));
    TRY(write_text_file(
        directory.path() / "config.json",
        TRY(config.with("quantization_config", quantization_section())).text() + "\n"));
    TRY(from_.write_companions(directory.path()));
    TRY(write_text_file(directory.path() / manifest_name, manifest()));
    TRY(directory.commit());
    return source_.reports();
  }

 private:
  // What the file will hold, before any weight is quantized.
  Result<std::vector<SafetensorsWriter::Declaration>> declare(const TensorSpecs& specs) {
    std::vector<SafetensorsWriter::Declaration> out;
    const auto add = [&](const LinearSpec& spec, const Format& format) {
      for (const PlaneSpec& plane : format.planes(spec.n, spec.k, DType::f16))
        out.push_back({plane_tensor_name(spec.name, plane.name), plane.dtype, plane.shape});
    };
    for (const LinearSpec& spec : specs.linears)
      add(spec, format_that_holds(*options_.scheme.weights, spec.k));
    for (const LinearSpec& spec : specs.tables) {
      // A table that is not quantized keeps its own type.
      add(spec, options_.tables ? format_that_holds(*options_.tables->weights, spec.k)
                                : *TRY(from_.table(spec)).weight.format);
    }
    for (const VectorSpec& spec : specs.vectors)
      out.push_back({spec.name, DType::f32, {spec.size}});
    return out;
  }

  Result<> put(SafetensorsWriter& file, const std::string& name, StoredLinear linear) {
    const auto specs =
        linear.weight.format->planes(linear.weight.n, linear.weight.k, linear.weight.scale_dtype);
    for (size_t i = 0; i < specs.size(); ++i)
      TRY(file.write(plane_tensor_name(name, specs[i].name),
                     std::as_const(linear.weight.planes[i]).span()));
    schemes_.emplace_back(name, full_name(linear));
    return {};
  }

  std::string quantization_section() const {
    JsonWriter json;
    json.begin_object().field("quant_method", "farthing").field("version", 1);
    json.field("method", options_.method->name);
    json.field("scheme", fmt::format("{}@{}", options_.scheme.weights->name,
                                     activations_name(options_.scheme.activations)));
    if (options_.scale_rule) json.field("scale_rule", scale_rule_name(*options_.scale_rule));
    json.key("linears").begin_object();
    for (const auto& [name, scheme] : schemes_) json.field(name, scheme);
    json.end_object().end_object();
    return json.take();
  }

  std::string manifest() const {
    JsonWriter json(true);
    json.begin_object()
        .field("written_by", "farthing quantize")
        .field("method", options_.method->name);
    json.key("layers").begin_array();
    for (const LayerReport& report : source_.reports()) {
      json.begin_object().field("name", report.name).field("format", report.format);
      json.field("bits_per_weight", report.bits_per_weight);
      json.field("relative_squared_error", report.relative_squared_error);
      if (!report.fallback.empty()) json.field("fallback", report.fallback);
      json.end_object();
    }
    json.end_array().end_object();
    return json.take() + "\n";
  }

  Checkpoint& from_;
  QuantizingSource source_;
  const QuantizeOptions& options_;
  Progress& progress_;
  std::vector<std::pair<std::string, std::string>> schemes_;
};

}  // namespace

Result<std::vector<LayerReport>> quantize_checkpoint(Context& context, Checkpoint& from,
                                                     const QuantizeOptions& options,
                                                     const std::filesystem::path& to,
                                                     Progress& progress) {
  TRY(check_options(options));
  return Writer(context, from, options, progress).write(to);
}

}  // namespace farthing
