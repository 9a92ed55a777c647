// modelopt: the tensors of dialects/modelopt.cc; several algorithms as MIXED_PRECISION.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "model/dialects/modelopt_algorithms.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

const ModelOptAlgorithm* algorithm_of(const Scheme& scheme) {
  for (const ModelOptAlgorithm& algorithm : modelopt_algorithms)
    if (algorithm.weights == scheme.weights->name && algorithm.activations == scheme.activations)
      return &algorithm;
  return nullptr;
}

Tensor number(float value) {
  Tensor out(DType::f32, {});
  out.as<float>()[0] = value;
  return out;
}

class ModelOptWriter : public DialectWriter {
 public:
  explicit ModelOptWriter(const WriterOptions& options) : options_(options) {}

  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    if (algorithm_of(scheme)) return scheme;
    std::string known;
    for (const ModelOptAlgorithm& algorithm : modelopt_algorithms)
      known += fmt::format("{}{}@{}", known.empty() ? "" : ", ", algorithm.weights,
                           activations_name(algorithm.activations));
    return fail(not_held("modelopt", scheme, "one of " + known, "nvfp4@nvfp4"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                           const StoredLinear& linear) const override {
    const QuantizedTensor& weight = linear.weight;
    const std::string module = module_of(spec.name);
    const std::string_view format = weight.format->name;
    Tensor scales = weight.planes[1];
    const Shape& shape = scales.shape();
    if (format == "fp8_e4m3_tensor") scales = scales.reshaped({});
    if (format == "fp8_e4m3_row") scales = scales.reshaped({spec.n});
    if (format == "fp8_e4m3_block128") scales = scales.reshaped({shape[0], 1, shape[1], 1});
    if (scales.dtype() == DType::f8_e8m0) scales = scales.viewed_as(DType::u8, shape);
    std::vector<NamedTensor> out{{spec.name, weight.planes[0]},
                                 {module + ".weight_scale", std::move(scales)}};
    if (format == "nvfp4")
      out.push_back({module + ".weight_scale_2", number(weight.planes[2].as<float>()[0])});
    if (is_static(linear.activations))
      out.push_back({module + ".input_scale", input_scale_of(as, linear, {})});
    return out;
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    JsonWriter json;
    json.begin_object().field("quant_method", "modelopt");
    write_algorithms(json, linears, "ignore");
    if (!options_.kv_cache.empty()) json.key("kv_cache_scheme").raw(options_.kv_cache);
    write_producer(json);
    return json.end_object().take();
  }

  Result<std::vector<std::pair<std::string, std::string>>> side_files(
      std::span<const WrittenLinear> linears) const override {
    JsonWriter json(true);
    json.begin_object();
    write_producer(json);
    json.key("quantization").begin_object();
    write_algorithms(json, linears, "exclude_modules");
    json.key("kv_cache_quant_algo");
    if (options_.kv_cache.empty())
      json.null();
    else
      json.value("FP8");
    json.end_object().end_object();
    return std::vector<std::pair<std::string, std::string>>{
        {"hf_quant_config.json", json.take() + "\n"}};
  }

 private:
  // Readers take the file for ModelOpt's by this name.
  static void write_producer(JsonWriter& json) {
    json.key("producer").begin_object().field("name", "modelopt").field("version", "0.37.0");
    json.field("written_by", "farthing").end_object();
  }

  static void write_algorithms(JsonWriter& json, std::span<const WrittenLinear> linears,
                               std::string_view left_out) {
    const Scheme most = most_frequent(linears);
    const bool mixed = std::ranges::any_of(linears, [&](const WrittenLinear& linear) {
      return !linear.scheme.weights->plain && !(linear.scheme == most);
    });
    json.field("quant_algo", mixed ? "MIXED_PRECISION" : algorithm_of(most)->name);
    if (!mixed && most.weights->name == "nvfp4") json.field("group_size", 16);
    json.key(left_out).begin_array();
    for (const std::string& module : plain_modules(linears)) json.value(module);
    json.end_array();
    if (!mixed) return;
    json.key("quantized_layers").begin_object();
    for (const WrittenLinear& linear : linears)
      if (!linear.scheme.weights->plain)
        json.key(linear.module)
            .begin_object()
            .field("quant_algo", algorithm_of(linear.scheme)->name)
            .end_object();
    json.end_object();
  }

  WriterOptions options_;
};

}  // namespace

DialectTarget modelopt_target() {
  return {.name = "modelopt",
          .holds = "FP8, MXFP8, NVFP4, an algorithm for each linear",
          .readers = "vLLM, SGLang, TensorRT-LLM",
          .create = [](const WriterOptions& options) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<ModelOptWriter>(options);
          },
          .repeats_kv_cache = true};
}

}  // namespace farthing
