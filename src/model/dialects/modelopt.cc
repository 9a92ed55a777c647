// modelopt: what NVIDIA's Model Optimizer exports, as the section of config.json or as
// hf_quant_config.json.
//
// Layout: of a linear P [n, k], by quant_algo
//   FP8                        P.weight F8_E4M3 [n, k]; P.weight_scale and P.input_scale, numbers
//   FP8_PER_CHANNEL_PER_TOKEN  P.weight F8_E4M3; P.weight_scale [n]
//   FP8_PB_WO                  P.weight F8_E4M3; P.weight_scale [n / 128, 1, k / 128, 1]
//   NVFP4, W4A16_NVFP4         P.weight U8 [n, k / 2], P.weight_scale F8_E4M3 [n, k / 16],
//                              P.weight_scale_2 and (NVFP4) P.input_scale, numbers that multiply
//   MXFP8                      P.weight F8_E4M3; P.weight_scale U8 [n, k / 32]
// Source: vLLM, modelopt.py; Model-Optimizer, modelopt/torch/export/.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "model/dialects/dialect.h"
#include "model/dialects/modelopt_algorithms.h"
#include "model/dialects/module_patterns.h"
#include "model/dialects/small_float_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

Result<const ModelOptAlgorithm*> algorithm_named(const std::string& name,
                                                 const std::string& where) {
  for (const ModelOptAlgorithm& algorithm : modelopt_algorithms)
    if (algorithm.name == name) return &algorithm;
  std::string known;
  for (const ModelOptAlgorithm& algorithm : modelopt_algorithms)
    known += (known.empty() ? "" : ", ") + std::string(algorithm.name);
  return fail({.what = "a ModelOpt checkpoint of an algorithm that is not read",
               .where = where + ", field quant_algo",
               .got = name,
               .wanted = "one of " + known,
               .remedy = "use the unquantized model, which `farthing quantize` brings into any "
                         "format"});
}

class ModelOptReader : public DialectReader {
 public:
  explicit ModelOptReader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<ModelOptReader>(source.directory);
    // hf_quant_config.json has it one level deeper.
    const bool deeper = source.section.has("quantization");
    TRY(out->read_section(deeper ? TRY(source.section.object("quantization")) : source.section));
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    const auto* weight = directory_.find(spec.name);
    if (weight == nullptr || (weight->dtype != DType::f8_e4m3 && weight->dtype != DType::u8))
      return std::nullopt;
    for (const std::string& pattern : excluded_)
      if (wildcard_matches(pattern, module))
        return fail(left_out_error(where_, fmt::format("excluded by \"{}\"", pattern), module,
                                   module + ".weight_scale"));
    const auto own = of_module_.find(module);
    const ModelOptAlgorithm* algorithm = own == of_module_.end() ? of_all_ : own->second;
    if (algorithm == nullptr) {
      return fail({.what = "a quantized module of which the configuration says nothing",
                   .where = where_ + ", field quantized_layers",
                   .got = "no " + module,
                   .wanted = "its quant_algo",
                   .remedy = "config.json and the weights are of different models"});
    }
    StoredAs out{{find_format(algorithm->weights), algorithm->activations},
                 {spec.name, module + ".weight_scale"}};
    if (algorithm->weights == "nvfp4") out.tensors.push_back(module + ".weight_scale_2");
    if (is_static(algorithm->activations)) out.tensors.push_back(module + ".input_scale");
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const SmallFloatTensors tensors{as.tensors[0], as.tensors[1]};
    const Format& format = *as.scheme.weights;
    StoredLinear out;
    if (format.name == "nvfp4") {
      out.weight = TRY(nvfp4_weight(directory_, tensors, TRY(scale_of(directory_, as.tensors[2])),
                                    spec.n, spec.k));
    } else if (format.name == "mxfp8") {
      out.weight = TRY(micro_scaled_weight(directory_, format, tensors, spec.n, spec.k));
    } else {
      out.weight = TRY(scaled_float_weight(directory_, format, tensors, spec.n, spec.k));
    }
    out.activations = as.scheme.activations;
    if (is_static(out.activations)) TRY(read_input_scale(directory_, as.tensors.back(), out));
    return out;
  }

 private:
  Result<> read_section(const JsonObject& section) {
    where_ = section.where();
    for (const char* field : {"exclude_modules", "ignore"})
      if (section.has(field) && !section.is_null(field))
        for (std::string& name : TRY(section.strings(field))) excluded_.push_back(std::move(name));
    TRY(read_kv_cache(section));
    const std::string name = TRY(section.string("quant_algo"));
    if (name != "MIXED_PRECISION") {
      of_all_ = TRY(algorithm_named(name, where_));
      return {};
    }
    const JsonObject layers = TRY(section.object("quantized_layers"));
    for (const std::string& module : layers.keys()) {
      const JsonObject layer = TRY(layers.member(module));
      of_module_[module] = TRY(algorithm_named(TRY(layer.string("quant_algo")), layer.where()));
    }
    return {};
  }

  // config.json has the scheme, hf_quant_config.json the algorithm's name.
  Result<> read_kv_cache(const JsonObject& section) {
    if (section.has("kv_cache_scheme") && !section.is_null("kv_cache_scheme")) {
      const JsonObject cache = TRY(section.object("kv_cache_scheme"));
      const std::string type = TRY(cache.string("type", "float"));
      const int64_t bits = TRY(cache.integer("num_bits", 8));
      stated_kv_cache_.text = fmt::format("{} of {} bits (field kv_cache_scheme)", type, bits);
      if (type == "float" && bits == 8) stated_kv_cache_.json = modelopt_fp8_kv_cache;
    } else if (section.has("kv_cache_quant_algo") && !section.is_null("kv_cache_quant_algo")) {
      const std::string name = TRY(section.string("kv_cache_quant_algo"));
      stated_kv_cache_.text = name + " (field kv_cache_quant_algo)";
      if (name == "FP8") stated_kv_cache_.json = modelopt_fp8_kv_cache;
    }
    return {};
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  std::vector<std::string> excluded_;
  const ModelOptAlgorithm* of_all_ = nullptr;
  std::map<std::string, const ModelOptAlgorithm*> of_module_;  // of mixed precision
};

}  // namespace

Dialect modelopt_dialect() {
  return {.name = "modelopt",
          .quant_methods = {"modelopt", "modelopt_fp4"},
          .side_file = "hf_quant_config.json",
          .open = ModelOptReader::open};
}

}  // namespace farthing
