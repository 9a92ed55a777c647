// Which options count for which linear.
#include "quant/quantize_options.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "model/model.h"

namespace farthing {
namespace {

bool fits(const std::string& pattern, const LinearSpec& spec) {
  std::string name = spec.name;
  constexpr std::string_view weight = ".weight";
  if (name.ends_with(weight)) name.resize(name.size() - weight.size());
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// Whether a linear gets activations of that kind.
bool any_activations(const QuantizeOptions& options, bool (*is)(Activations)) {
  return is(options.scheme.activations) || (options.tables && is(options.tables->activations)) ||
         std::any_of(options.rules.begin(), options.rules.end(), [&](const QuantizeRule& rule) {
           return rule.scheme && is(rule.scheme->activations);
         });
}

}  // namespace

bool is_among(const std::vector<std::string>& patterns, const LinearSpec& spec) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits(pattern, spec); });
}

std::optional<LinearChoice> choice_for(const QuantizeOptions& options, const LinearSpec& spec,
                                       bool is_table) {
  if (spec.keeps_precision) return std::nullopt;
  if (!options.only.empty() && (is_table || !is_among(options.only, spec))) return std::nullopt;
  bool keep = is_table && !options.tables;
  LinearChoice out{keep ? Scheme{} : is_table ? *options.tables : options.scheme, options.method};
  for (const QuantizeRule& rule : options.rules) {
    if (!fits(rule.layers, spec)) continue;
    if (rule.scheme) out.scheme = *rule.scheme;
    if (rule.method != nullptr) out.method = rule.method;
    keep = rule.keep || (keep && !rule.scheme);
  }
  if (keep) return std::nullopt;
  return out;
}

ScaleRule rule_for(const QuantizeOptions& options, const Format& format) {
  if (format.scale_rules.empty()) return ScaleRule::half_step;
  return options.scale_rule && &format == options.scheme.weights ? *options.scale_rule
                                                                 : format.scale_rules.front();
}

bool has_static_activations(const QuantizeOptions& options) {
  return any_activations(options, is_static);
}

bool has_outlier_columns(const QuantizeOptions& options) {
  return any_activations(options, has_outliers);
}

bool needs_kv_scales(const QuantizeOptions& options) {
  return options.kv_cache && kv_codec_info(*options.kv_cache).scaling == KvScaling::of_head;
}

bool needs_inputs(const QuantizeOptions& options) {
  const auto needs = [](const AlgorithmInfo* method) {
    return method != nullptr && method->needs != AlgorithmNeeds::nothing;
  };
  return options.rescaling != nullptr || needs(options.method) ||
         std::any_of(options.rules.begin(), options.rules.end(),
                     [&](const QuantizeRule& rule) { return needs(rule.method); });
}

Result<QuantizeRule> parse_rule(std::string_view text) {
  const auto equals = text.rfind('=');
  QuantizeRule out;
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return fail({.what = "a rule is not complete",
                 .where = "--rule",
                 .got = std::string(text),
                 .wanted = "LAYERS=SCHEME, LAYERS=SCHEME:METHOD, LAYERS=:METHOD or LAYERS=keep",
                 .remedy = "for example --rule '*.down_proj=int8_g128'"});
  }
  out.layers = text.substr(0, equals);
  const std::string_view what = text.substr(equals + 1);
  if (what == "keep") {
    out.keep = true;
    return out;
  }
  const auto colon = what.find(':');
  if (colon != 0) out.scheme = TRY(parse_scheme(what.substr(0, colon)));
  if (colon == std::string_view::npos) return out;
  const std::string method(what.substr(colon + 1));
  out.method = find_algorithm(method);
  if (out.method != nullptr) return out;
  return fail({.what = "unknown method",
               .where = fmt::format("--rule \"{}\"", text),
               .got = method,
               .wanted = "one of " + algorithm_names(),
               .remedy = "leave it away for the method of the rest"});
}

Result<> check_outlier_threshold(bool given, const QuantizeOptions& options) {
  if (!given || has_outlier_columns(options)) return {};
  return fail({.what = "there are no outlier columns for the threshold",
               .where = "--outlier-threshold",
               .got = options.scheme.weights == nullptr ? "no scheme" : options.scheme.name(),
               .wanted = "activations with outlier columns, such as int8_row@int8_outliers",
               .remedy = "leave --outlier-threshold away"});
}

Result<> check_options(const QuantizeOptions& options) {
  if (options.range.method == RangeMethod::entropy &&
      options.scheme.activations == Activations::fp8_e4m3_static) {
    return fail({.what = "ranges by entropy are for evenly spaced levels",
                 .where = "--activation-range",
                 .got = options.scheme.name(),
                 .wanted = "int8 activations",
                 .remedy = "use mse or percentile"});
  }
  if (!options.scale_rule) return {};
  std::string known;
  for (ScaleRule rule : options.scheme.weights->scale_rules) {
    if (rule == *options.scale_rule) return {};
    known += (known.empty() ? "" : ", ") + std::string(scale_rule_name(rule));
  }
  return fail({.what = "the format has no such scale rule",
               .where = fmt::format("--scale-rule for {}", options.scheme.weights->name),
               .got = std::string(scale_rule_name(*options.scale_rule)),
               .wanted = known.empty() ? "no rule: this format has no scale" : "one of " + known,
               .remedy = "leave --scale-rule away for the format's default"});
}

Result<> check_rules(const QuantizeOptions& options, const ModelConfig& config) {
  const TensorSpecs specs = tensors_of(config);
  const auto check = [&](const std::string& pattern, bool tables, const char* where) -> Result<> {
    const auto fits_it = [&](const LinearSpec& spec) { return fits(pattern, spec); };
    if (std::any_of(specs.linears.begin(), specs.linears.end(), fits_it) ||
        (tables && std::any_of(specs.tables.begin(), specs.tables.end(), fits_it)))
      return {};
    return fail({.what = "a rule fits no linear of the model",
                 .where = where,
                 .got = pattern,
                 .wanted = fmt::format("a pattern of names such as {}", specs.linears.front().name),
                 .remedy = "`farthing inspect MODEL` lists the names; \"*\" stands for any text"});
  };
  for (const QuantizeRule& rule : options.rules) TRY(check(rule.layers, true, "rules"));
  for (const std::string& pattern : options.only) TRY(check(pattern, false, "--redo"));
  return {};
}

}  // namespace farthing
