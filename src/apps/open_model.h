// What most commands begin with: a context to compute in, and a model in memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/command_line.h"
#include "eval/calibration/input_range.h"
#include "kernels/attention/kv_codec.h"
#include "model/checkpoint.h"
#include "quant/algorithm.h"
#include "tensor/context.h"

namespace farthing {

// With the threads of --threads and the strongest instruction set, or the one of
// FARTHING_FORCE_ISA.
Result<std::unique_ptr<ContextOwner>> open_context(const CommonOptions& common);

// What a model is quantized to while it is loaded.
struct LoadingFormat {
  std::optional<Scheme> scheme;  // absent: it stays as it is stored
  float outlier_threshold = -1;  // -1: the default
};
// The options --format and --outlier-threshold of what runs a model.
void declare_format(OptionList& list, LoadingFormat& target);
// Fails where the threshold has no outlier columns to choose.
Result<> check_format(const LoadingFormat& format);

// Builds the model of a checkpoint, showing progress. Static activations are calibrated with the
// built-in text first.
Result<std::unique_ptr<Model>> load_model(Context& context, Checkpoint& checkpoint,
                                          const LoadingFormat& format = {},
                                          PackTime time = PackTime::loading);

// --outlier-threshold, declared alike by all commands; -1: not given.
void declare_outlier_threshold(OptionList& list, float& target);

// A method by its name.
Result<RangeMethod> parse_range_method(const std::string& name);
Result<RangeMethod> parse_kv_range(const std::string& name);
Result<ScaleRule> parse_scale_rule(const std::string& name);
// A value of --kv-cache-dtype.
Result<KvCodec> parse_kv_codec(const std::string& name);
// The option --kv-cache-dtype of what runs a model; where it is not given the model says.
void declare_kv_cache(OptionList& list, std::optional<KvCodec>& target);

}  // namespace farthing
