// QuantizingSource, and what options ask for.
#include "quant/quantize.h"

#include <fmt/format.h>

#include "quant/quantize_linear.h"

namespace farthing {
double mean_relative_squared_error(std::span<const LayerReport> layers) {
  double sum = 0, weights = 0;
  for (const LayerReport& layer : layers) {
    const auto count = static_cast<double>(layer.n * layer.k);
    sum += layer.relative_squared_error * count;
    weights += count;
  }
  return weights == 0 ? 0 : sum / weights;
}

Result<> calibrate_for(Context& context, Checkpoint& from, const CalibrationOptions& calibration,
                       QuantizeOptions& options, Progress& progress) {
  if (!has_static_activations(options) || options.calibration != nullptr) return {};
  // The stages see what linears get.
  if (needs_inputs(options) && !(options.tables && is_static(options.tables->activations)))
    return {};
  CalibrationOptions wanted = calibration;
  wanted.range = options.range;
  options.calibration = TRY(calibrate(context, from, wanted, progress));
  return {};
}

Result<StoredLinear> QuantizingSource::quantize(const LinearSpec& spec, StoredLinear from,
                                                const LinearChoice& choice) {
  const double started = now_seconds();
  QuantizedLinear done = TRY(quantize_linear(context_, spec, from, choice, options_, nullptr));
  seconds_ += now_seconds() - started;
  reports_.push_back(std::move(done.report));
  return std::move(done.stored);
}

Result<StoredLinear> QuantizingSource::linear(const LinearSpec& spec) {
  StoredLinear out;
  const auto choice = choice_for(options_, spec, false);
  if (const auto found = stages_.linears.find(spec.name); found != stages_.linears.end()) {
    reports_.push_back(found->second.report);
    out = found->second.stored;
  } else {
    out = TRY(base_.linear(spec));
    if (choice) out = TRY(quantize(spec, std::move(out), *choice));
  }
  bytes_ += out.weight.bytes();
  return out;
}

Result<StoredLinear> QuantizingSource::table(const LinearSpec& spec) {
  auto out = TRY(base_.table(spec));
  if (auto choice = choice_for(options_, spec, true)) {
    choice->method = find_algorithm("rtn");  // stages do not calibrate tables
    choice->scheme = scheme_of_table(choice->scheme, spec.name, options_.calibration.get());
    out = TRY(quantize(spec, std::move(out), *choice));
  }
  bytes_ += out.weight.bytes();
  return out;
}

Result<Tensor> QuantizingSource::vector(const VectorSpec& spec) {
  auto out = TRY(base_.vector(spec));
  bytes_ += out.bytes();
  return out;
}

double QuantizingSource::bits_per_weight() const {
  double bits = 0, weights = 0;
  for (const LayerReport& report : reports_) {
    bits += 8.0 * static_cast<double>(report.bytes);
    weights += static_cast<double>(report.n * report.k);
  }
  return weights == 0 ? 0 : bits / weights;
}

}  // namespace farthing
