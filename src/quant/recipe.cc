// The keys of a recipe of quantization.
#include "quant/recipe.h"

#include "io/toml.h"
#include "quant/method.h"

namespace farthing {
namespace {

constexpr const char* document = "docs/quantization.md";

// `parsed` wants something that is false where there is none, and holds a T.
std::optional<const AlgorithmInfo*> algorithm_named(const std::string& name) {
  const AlgorithmInfo* found = find_algorithm(name);
  return found == nullptr ? std::nullopt : std::optional(found);
}

Result<> read_rules(TomlTable& recipe, QuantizeOptions& options) {
  for (TomlTable& table : TRY(recipe.tables("rule"))) {
    QuantizeRule rule;
    TRY(table.word("layers", rule.layers));
    if (rule.layers.empty())
      return fail(table.error("layers", "a pattern of linears' names, such as \"*.down_proj\""));
    TRY(table.boolean("keep", rule.keep));
    TRY(table.parsed("scheme", rule.scheme, parse_scheme,
                     "WEIGHTS[@ACTIVATIONS], as `farthing formats` lists them"));
    TRY(table.parsed("method", rule.method, algorithm_named, "one of " + algorithm_names()));
    TRY(table.check_unknown(document));
    options.rules.push_back(std::move(rule));
  }
  return {};
}

}  // namespace

Result<QuantizeRecipe> read_quantize_recipe(const std::filesystem::path& file) {
  TomlTable r = TRY(TomlTable::read(file));
  QuantizeRecipe out;
  QuantizeOptions& options = out.options;
  TRY(r.parsed("quantization.scheme", options.scheme, parse_scheme,
               "WEIGHTS[@ACTIVATIONS], as `farthing formats` lists them"));
  std::optional<Method> method;
  TRY(r.parsed("quantization.method", method, parse_method, "one of " + method_names()));
  if (method) method->apply(options);
  TRY(r.parsed("quantization.scale_rule", options.scale_rule, find_scale_rule,
               "a scale rule's name"));
  TRY(r.parsed("quantization.tables", options.tables, parse_scheme, "a scheme"));
  TRY(r.boolean("quantization.strict", options.strict));
  TRY(r.parsed("quantization.kv_cache", options.kv_cache, find_kv_codec,
               "one of " + kv_codec_names()));
  const auto number = [&](const char* key, float& to, double least, double most) -> Result<> {
    auto value = static_cast<double>(to);
    TRY(r.number(key, value, least, most));
    to = static_cast<float>(value);
    return {};
  };
  TRY(number("quantization.damping", options.algorithm.damping, 1e-6, 1));
  TRY(number("quantization.spqr_outlier_threshold", options.algorithm.outlier_threshold, 0, 1e6));
  TRY(r.boolean("quantization.act_order", options.algorithm.act_order));
  TRY(r.parsed("quantization.rotate", options.rotation, parse_rotation,
               "r1, r2, r3, r4, or several joined by commas"));
  TRY(r.integer("quantization.rotate_seed", options.rotation.seed, 0));
  TRY(r.number("quantization.smoothing_strength", options.algorithm.smoothing_strength, 0, 1));
  std::string text;
  TRY(r.word("calibration.text", text));
  if (!text.empty()) out.calibration.text = file.parent_path() / text;
  TRY(r.parsed("calibration.range", options.range.method, find_range_method,
               "one of " + std::string(range_method_names)));
  TRY(r.number("calibration.percentile", options.range.percentile, 50, 100));
  TRY(r.parsed("calibration.kv_cache_range", options.kv_cache_range.method, find_range_method,
               "one of " + std::string(range_method_names)));
  TRY(r.number("calibration.kv_cache_percentile", options.kv_cache_range.percentile, 50, 100));
  TRY(r.integer("calibration.samples", out.calibration.samples, 1, 1 << 20));
  TRY(r.integer("calibration.context", out.calibration.context, 2, 1 << 20));
  auto threshold = static_cast<double>(options.range.outlier_threshold);
  TRY(r.number("quantization.outlier_threshold", threshold, 0, 1e30));
  options.range.outlier_threshold = static_cast<float>(threshold);
  TRY(read_rules(r, options));
  TRY(r.check_unknown(document));
  return out;
}

}  // namespace farthing
