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

// Builds the model of a checkpoint, showing progress; with `quantize` its linears are quantized on
// the way; static activations are calibrated with the built-in text first.
Result<std::unique_ptr<Model>> load_model(Context& context, Checkpoint& checkpoint,
                                          const std::optional<Scheme>& scheme = std::nullopt,
                                          PackTime time = PackTime::loading,
                                          const RangeOptions& range = {});

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
