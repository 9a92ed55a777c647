// What all methods have in common around one linear.
#include "quant/quantize_linear.h"

#include <fmt/format.h>

#include "quant/layer_error.h"

namespace farthing {
namespace {

Error encode_error(const LinearSpec& spec, const Format& format, const EncodeReport& report) {
  if (report.nonfinite > 0) {
    return {.what = "a weight is not a finite number",
            .where = spec.name,
            .got = fmt::format("{} groups with NaN or infinity", report.nonfinite),
            .wanted = "finite weights",
            .remedy = "the checkpoint is damaged or its training diverged: take another one"};
  }
  return {.what = fmt::format("the weights are too large for {}", format.name),
          .where = spec.name,
          .got = fmt::format("{} scales or values that overflow their stored type",
                             report.overflowed_scales),
          .wanted = "values within the format's range",
          .remedy =
              "choose a format with more range: `farthing inspect MODEL --ranges` counts what does "
              "not fit; bf16 holds "
              "everything that f32 does"};
}

Error fallback_error(const LayerReport& report, const Scheme& wanted) {
  return {
      .what = "a linear cannot be quantized as asked",
      .where = report.name,
      .got = report.fallback,
      .wanted = fmt::format("{} without a fallback, as --strict asks", wanted.weights->name),
      .remedy = fmt::format("leave --strict away to store such linears as {}, or choose another "
                            "format: the last group of an int format may be shorter",
                            report.format)};
}

void join(std::string& list, const std::string& more) {
  if (!more.empty()) list += (list.empty() ? "" : "; ") + more;
}

}  // namespace

Result<StaticInput> input_parameters(const LinearSpec& spec, const Scheme& scheme,
                                     const QuantizeOptions& options,
                                     const InputStatistics* inputs) {
  const Activations activations = scheme.activations;
  if (has_outliers(activations) && !is_static(activations))
    return outlier_input(activations, {}, options.range.outlier_threshold);
  if (!is_static(activations)) return StaticInput{};
  if (inputs != nullptr)
    return chosen_input(inputs->seen, inputs->largest, activations, options.range);
  if (options.calibration != nullptr) return options.calibration->input_of(spec.name, activations);
  return fail({.what = "static activations need a calibration",
               .where = spec.name,
               .got = scheme.name(),
               .wanted = "what the linear's input holds while the model reads a text",
               .remedy = "store the model with `farthing quantize` in this scheme first"});
}

Result<QuantizedLinear> quantize_linear(Context& context, const LinearSpec& spec,
                                        const StoredLinear& from, const LinearChoice& choice,
                                        const QuantizeOptions& options,
                                        const InputStatistics* inputs) {
  const Scheme& scheme = choice.scheme;
  if (choice.method->needs != AlgorithmNeeds::nothing && inputs == nullptr) {
    return fail({.what = "the method has to see the linear's inputs",
                 .where = spec.name,
                 .got = fmt::format("{} without a calibration", choice.method->name),
                 .wanted = "a model that was quantized block by block",
                 .remedy = "store the model with `farthing quantize` first"});
  }
  const Scheme held = scheme_that_holds(scheme, spec.k);
  const StaticInput input = TRY(input_parameters(spec, held, options, inputs));
  const Format& format = *held.weights;
  LayerReport report{
      .name = spec.name, .n = spec.n, .k = spec.k, .format = std::string(format.name)};
  if (&format != scheme.weights)
    report.fallback = fmt::format("k = {} is no multiple of {}'s block of {}", spec.k,
                                  scheme.weights->name, scheme.weights->block);
  if (options.strict && !report.fallback.empty()) return fail(fallback_error(report, scheme));
  const Tensor weight =
      from.weight.format->plain == DType::f32 ? from.weight.planes[0] : from.weight.decode();
  const LayerInput layer{spec,   weight.view<float>(), format, rule_for(options, format),
                         inputs, options.algorithm};
  const Tensor* gram = inputs != nullptr && inputs->gram ? &inputs->gram : nullptr;
  QuantizedTensor out = QuantizedTensor::allocate(format, spec.n, spec.k);
  std::optional<OutputError> outputs;
  if (gram != nullptr) {
    outputs.emplace(context, layer.weight, gram->view<float>());
    if (find_algorithm("rtn")->quantize(context, layer, out).encode.nonfinite == 0)
      report.output_error_before = outputs->of(out);
    outputs->rest();  // the method may need as much itself
    out = QuantizedTensor::allocate(format, spec.n, spec.k);
  }
  const AlgorithmReport done = choice.method->quantize(context, layer, out);
  report.encode = done.encode;
  if (report.encode.nonfinite > 0 || report.encode.overflowed_scales > 0)
    return fail(encode_error(spec, format, report.encode));
  join(report.fallback, done.fallback);
  if (options.strict && !report.fallback.empty()) return fail(fallback_error(report, scheme));
  report.damping = done.damping;
  if (inputs != nullptr) {
    report.tokens = inputs->tokens;
    report.routed_tokens = inputs->routed_tokens;
  }
  report.bits_per_weight = out.bits_per_weight();
  report.bytes = out.bytes();
  report.relative_squared_error = relative_squared_error(context, layer.weight, out);
  if (outputs) report.output_error = outputs->of(out);
  return QuantizedLinear{{std::move(out), held.activations, input}, std::move(report)};
}

}  // namespace farthing
