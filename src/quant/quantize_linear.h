// One linear through its method: the fallback where k does not fit, the parameters of static
// activations, and the errors that it made.
#pragma once

#include "quant/quantize_options.h"

namespace farthing {

struct QuantizedLinear {
  StoredLinear stored;
  LayerReport report;
};

// The parameters of the linear's activations: of static ones from `inputs`, or, where that is null,
// from options.calibration.
Result<StaticInput> input_parameters(const LinearSpec& spec, const Scheme& scheme,
                                     const QuantizeOptions& options, const InputStatistics* inputs);

// `inputs`: null where the method needs none; static activations then come from
// options.calibration. Fails where a weight is not finite or does not fit the format's range, and,
// with options.strict, where there was a fallback.
Result<QuantizedLinear> quantize_linear(Context& context, const LinearSpec& spec,
                                        const StoredLinear& from, const LinearChoice& choice,
                                        const QuantizeOptions& options,
                                        const InputStatistics* inputs);

}  // namespace farthing
