// Options as JSON.
#include "quant/stages/work_identity.h"

#include "base/json_writer.h"
#include "quant/method.h"

namespace farthing {

std::string work_identity(const Checkpoint& from, const QuantizeOptions& options,
                          const CalibrationWindows& read) {
  JsonWriter json(true);
  std::error_code ignored;
  json.begin_object().field("model",
                            std::filesystem::weakly_canonical(from.path(), ignored).string());
  int64_t bytes = 0;
  for (const StoredTensorInfo& tensor : from.tensors()) bytes += tensor.bytes;
  json.field("bytes", bytes).field("scheme", options.scheme.name());
  json.field("method", method_of(options).name()).field("damping", options.algorithm.damping);
  json.field("spqr_outlier_threshold", options.algorithm.outlier_threshold);
  json.field("smoothing_strength", options.algorithm.smoothing_strength);
  json.field("act_order", options.algorithm.act_order);
  json.field("rotation", options.rotation.name()).field("rotation_seed", options.rotation.seed);
  json.field("scale_rule", options.scale_rule ? scale_rule_name(*options.scale_rule) : "default");
  json.field("tables", options.tables ? options.tables->name() : "as they are");
  json.field("range", range_method_name(options.range.method));
  json.field("percentile", options.range.percentile);
  json.field("outlier_threshold", options.range.outlier_threshold);
  json.field("kv_cache", options.kv_cache ? kv_codec_info(*options.kv_cache).name : "the model's");
  json.field("kv_cache_range", range_method_name(options.kv_cache_range.method));
  json.field("kv_cache_percentile", options.kv_cache_range.percentile);
  json.key("rules").begin_array();
  for (const QuantizeRule& rule : options.rules) {
    json.begin_object().field("layers", rule.layers).field("keep", rule.keep);
    json.field("scheme", rule.scheme ? rule.scheme->name() : "");
    json.field("method", rule.method != nullptr ? rule.method->name : "").end_object();
  }
  json.end_array().key("only").begin_array();
  for (const std::string& pattern : options.only) json.value(pattern);
  json.end_array();
  json.field("calibration_digest", read.text.digest);
  json.field("windows", read.windows.count()).field("context", read.windows.context()).end_object();
  return json.take() + "\n";
}

}  // namespace farthing
