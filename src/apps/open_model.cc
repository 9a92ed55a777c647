// Opening contexts and models; names given on the command line.
#include "apps/open_model.h"

#include "apps/output.h"
#include "quant/quantize.h"

namespace farthing {

Result<std::unique_ptr<ContextOwner>> open_context(const CommonOptions& common) {
  return std::make_unique<ContextOwner>(static_cast<int>(common.threads), TRY(choose_isa()));
}

Result<std::unique_ptr<Model>> load_model(Context& context, Checkpoint& checkpoint,
                                          const LoadingFormat& format, PackTime time) {
  tell(kv_cache_note(checkpoint.stated_kv_cache()));
  ProgressBar progress;
  if (!format.scheme) return build_model(context, checkpoint.config(), checkpoint, progress, time);
  QuantizeOptions options;
  options.scheme = *format.scheme;
  options.method = find_algorithm("rtn");
  if (format.outlier_threshold >= 0) options.range.outlier_threshold = format.outlier_threshold;
  TRY(calibrate_for(context, checkpoint, {}, options, progress));
  QuantizingSource source(context, checkpoint, options);
  return build_model(context, checkpoint.config(), source, progress, time);
}

void declare_format(OptionList& list, LoadingFormat& target) {
  list.parsed("--format", "SCHEME", target.scheme, parse_scheme,
              "Quantize to this scheme while loading");
  declare_outlier_threshold(list, target.outlier_threshold);
}

Result<> check_format(const LoadingFormat& format) {
  QuantizeOptions wanted;
  if (format.scheme) wanted.scheme = *format.scheme;
  return check_outlier_threshold(format.outlier_threshold >= 0, wanted);
}

void declare_outlier_threshold(OptionList& list, float& target) {
  list.number(
      "--outlier-threshold", target, 0, 1e30f,
      "int8_outliers, int8_outliers_live: columns of inputs in which a magnitude reaches it "
      "are not rounded; 0: none; 6 without it");
}

namespace {

Result<RangeMethod> parse_range(const std::string& name, const char* option) {
  if (const auto method = find_range_method(name)) return *method;
  return fail({.what = "unknown way to choose a range",
               .where = option,
               .got = name,
               .wanted = "one of " + std::string(range_method_names),
               .remedy = "correct the name"});
}

}  // namespace

Result<RangeMethod> parse_range_method(const std::string& name) {
  return parse_range(name, "--activation-range");
}
Result<RangeMethod> parse_kv_range(const std::string& name) {
  return parse_range(name, "--kv-cache-range");
}

Result<ScaleRule> parse_scale_rule(const std::string& name) {
  if (const auto rule = find_scale_rule(name)) return *rule;
  std::string known;
  for (const ScaleRule rule : all_scale_rules)
    known += (known.empty() ? "" : ", ") + std::string(scale_rule_name(rule));
  return fail({.what = "unknown scale rule",
               .where = "--scale-rule",
               .got = name,
               .wanted = "one of " + known,
               .remedy = "correct the name, or leave the option away for the format's default"});
}

Result<KvCodec> parse_kv_codec(const std::string& name) {
  // vLLM's words
  if (name == "float16") return KvCodec::f16;
  if (name == "bfloat16") return KvCodec::bf16;
  if (const auto codec = find_kv_codec(name)) return *codec;
  return fail({.what = "unknown type of the KV cache",
               .where = "--kv-cache-dtype",
               .got = name,
               .wanted = "one of " + kv_codec_names(),
               .remedy = "correct the name"});
}

void declare_kv_cache(OptionList& list, std::optional<KvCodec>& target) {
  const auto parse = [](const std::string& name) -> Result<std::optional<KvCodec>> {
    if (name == "auto") return std::optional<KvCodec>();
    return TRY(parse_kv_codec(name));
  };
  list.parsed("--kv-cache-dtype", "TYPE", target, parse,
              "Type of keys and values in the cache: " + kv_codec_names() +
                  "; auto, or without it: what the model says, mostly f32");
}

}  // namespace farthing
