// smoothquant: moves the range of activations into the weights behind a norm.
//
// Source: SmoothQuant, arXiv 2211.10438, equation 4: s = max|x|^a / max|w|^(1 - a) of each channel,
// w over all linears that read it. Where we differ from the reference: a channel without inputs or
// without weights keeps the factor 1.
#include <algorithm>
#include <cmath>

#include "kernels/scalar_math.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

RescalingFactors smoothquant_factors(Context&, const RescalingInput& input) {
  RescalingFactors out;
  if (input.channels.giver) return out;  // only behind norms
  const auto count = static_cast<size_t>(input.channels.channels());
  std::vector<float> of_inputs(count), of_weights(count);
  for (const RescalingReader& reader : input.readers) {
    for (size_t k = 0; k < input.channels.channel.size(); ++k) {
      const auto c = static_cast<size_t>(input.channels.channel[k]);
      if (reader.inputs != nullptr)
        of_inputs[c] = std::max(of_inputs[c], reader.inputs->largest[k]);
      if (!reader.choice) continue;
      for (int64_t n = 0; n < reader.spec.n; ++n)
        of_weights[c] = std::max(
            of_weights[c],
            std::fabs(reader.weight.as<float>()[n * reader.spec.k + static_cast<int64_t>(k)]));
    }
  }
  const double strength = input.options.algorithm.smoothing_strength;
  for (size_t c = 0; c < count; ++c) {
    const bool dead = !(of_inputs[c] > 0) || !(of_weights[c] > 0);
    const double factor =
        dead ? 1 : fixed_pow(of_inputs[c], strength) / fixed_pow(of_weights[c], 1 - strength);
    out.of_channels.push_back(static_cast<float>(std::clamp(factor, 1e-5, 1e5)));
  }
  out.strength = strength;
  return out;
}

}  // namespace

RescalingInfo smoothquant_rescaling() {
  return {.name = "smoothquant",
          .summary = "moves the range of activations behind norms into the weights that read them",
          .needs = AlgorithmNeeds::moments,
          .algorithm = "rtn",
          .factors = smoothquant_factors,
          .for_activations = true};
}

}  // namespace farthing
