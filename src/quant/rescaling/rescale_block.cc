// One set of channels after the other; each search sees the weights as they were.
#include "quant/rescaling/rescale_block.h"

#include <algorithm>

namespace farthing {
namespace {

// Factors that are zero or not finite would lose weights.
bool usable(const std::vector<float>& factors) {
  return std::all_of(factors.begin(), factors.end(),
                     [](float f) { return f > 0 && f - f == 0 && 1 / f - 1 / f == 0; });
}

void record(const Rescaling& of, const RescalingFactors& found, BlockRescaling& out) {
  for (const LinearSpec& reader : of.readers) {
    std::vector<float>& columns = out.factors.columns[reader.name];
    for (const int64_t c : of.channel) columns.push_back(found.of_channels[static_cast<size_t>(c)]);
    out.strengths[reader.name] = found.strength;
  }
  const auto scatter = [&](std::vector<float>& to, int64_t size) {
    to.resize(static_cast<size_t>(size), 1.0f);
    for (size_t c = 0; c < of.rows.size(); ++c)
      to[static_cast<size_t>(of.rows[c])] = found.of_channels[c];
  };
  if (of.giver) scatter(out.factors.rows[of.giver->name], of.giver->n);
  for (const VectorSpec& vector : of.vectors) {
    const bool plus_one = of.one_plus && !of.giver;
    scatter((plus_one ? out.factors.one_plus : out.factors.vectors)[vector.name], vector.size);
  }
}

}  // namespace

Result<BlockRescaling> rescale_block(Context& context, const ModelConfig& config, int64_t stage,
                                     WeightSource& from, const QuantizeOptions& options,
                                     const BlockInputs& inputs) {
  BlockRescaling out;
  for (const Rescaling& rescaling : rescalings_of_stage(config, stage)) {
    RescalingInput input{rescaling, {}, options};
    bool any = false;
    for (const LinearSpec& spec : rescaling.readers) {
      const auto found = inputs.find(spec.name);
      input.readers.push_back({spec, TRY(from.linear(spec)).weight.decode(),
                               found == inputs.end() ? nullptr : found->second,
                               choice_for(options, spec, false)});
      any = any || input.readers.back().choice.has_value();
    }
    if (!any) continue;
    const RescalingFactors factors = options.rescaling->factors(context, input);
    if (!factors.of_channels.empty() && usable(factors.of_channels))
      record(rescaling, factors, out);
  }
  return out;
}

}  // namespace farthing
