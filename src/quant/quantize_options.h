// What is to be quantized, to what, and how.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "eval/calibration/calibration.h"
#include "model/rotation.h"
#include "quant/algorithm.h"

namespace farthing {

struct RescalingInfo;  // quant/rescaling/rescaling_method.h

// What other than the rest is to be done with some linears.
struct QuantizeRule {
  std::string
      layers;         // a pattern of names without ".weight": "*" any text, "?" a character, "[..]"
  bool keep = false;  // they stay as they are
  std::optional<Scheme> scheme = {};
  const AlgorithmInfo* method = nullptr;  // null: no other
};

struct QuantizeOptions {
  Scheme scheme;  // of the linears of the blocks
  const AlgorithmInfo* method = nullptr;
  const RescalingInfo* rescaling = nullptr;  // before it; null: none
  Rotation rotation = {};                    // before both, where a directory is written
  AlgorithmOptions algorithm = {};
  std::optional<ScaleRule> scale_rule = {};  // of `scheme`; the format's default where it is absent
  std::optional<Scheme> tables = {};     // of embedding and head; as they are where it is absent
  std::vector<QuantizeRule> rules = {};  // in order: what a later one says counts
  std::vector<std::string> only = {};    // patterns: all other linears stay; empty: none does
  RangeOptions range = {};               // of static activations
  // The model's KV cache; absent: as the model says. Where it has scales of heads they are
  // calibrated, with ranges by kv_cache_range.
  std::optional<KvCodec> kv_cache = {};
  RangeOptions kv_cache_range = {};
  std::shared_ptr<const KvScales> kv_scales = {};  // quantize_checkpoint provides them
  bool strict = false;                             // a fallback is an error
  // What the parameters of static activations come from; calibrate_for provides it.
  std::shared_ptr<const Calibration> calibration = {};
};

// What is to be done with one linear.
struct LinearChoice {
  Scheme scheme;
  const AlgorithmInfo* method;
};
// Nothing where it stays as it is.
std::optional<LinearChoice> choice_for(const QuantizeOptions& options, const LinearSpec& spec,
                                       bool is_table);

// Whether one of the patterns fits the linear's name.
bool is_among(const std::vector<std::string>& patterns, const LinearSpec& spec);

// The scale rule for a format that a linear gets.
ScaleRule rule_for(const QuantizeOptions& options, const Format& format);

// Whether any linear gets a scheme with static activations.
bool has_static_activations(const QuantizeOptions& options);
// Whether scales of a KV cache are to be calibrated.
bool needs_kv_scales(const QuantizeOptions& options);
// Whether any linear gets a scheme with outlier columns, the linear's or the call's.
bool has_outlier_columns(const QuantizeOptions& options);
// Whether a method wants to see what linears get as input.
bool needs_inputs(const QuantizeOptions& options);

// GLOB=SCHEME, GLOB=SCHEME:METHOD, GLOB=:METHOD, or GLOB=keep.
Result<QuantizeRule> parse_rule(std::string_view text);

// Fails where a threshold of outliers was given though no scheme has outlier columns.
Result<> check_outlier_threshold(bool given, const QuantizeOptions& options);

// Fails where scale rule and format do not go together, or a rule fits no linear of the model.
Result<> check_options(const QuantizeOptions& options);
Result<> check_rules(const QuantizeOptions& options, const ModelConfig& config);

}  // namespace farthing
