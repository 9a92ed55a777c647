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
  if (needs_inputs(options)) return {};  // the stages see what linears get
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

Result<StoredLinear> QuantizingSource::handed_out(const LinearSpec& spec, bool is_table) {
  StoredLinear out;
  if (const auto found = stages_.linears.find(spec.name); found != stages_.linears.end()) {
    reports_.push_back(found->second.report);
    out = found->second.stored;
  } else {
    out = TRY(is_table ? base_.table(spec) : base_.linear(spec));
    if (auto choice = choice_for(options_, spec, is_table)) {
      if (is_table) {
        choice->scheme = scheme_for_table(spec, choice->scheme);
        // Rows that tokens choose: no column counts more than another.
        if (choice->method->needs != AlgorithmNeeds::nothing)
          choice->method = find_algorithm("mse");
      }
      out = TRY(quantize(spec, std::move(out), *choice));
    }
  }
  bytes_ += out.weight.bytes();
  return out;
}

Scheme QuantizingSource::scheme_for_table(const LinearSpec& spec, const Scheme& scheme) const {
  const bool only_rows = stages_.tokens > 0 && !stages_.linears.contains(spec.name);
  if (is_static(scheme.activations) && only_rows) return {scheme.weights, Activations::f32};
  return scheme_of_table(scheme, spec.name, options_.calibration.get());
}

Result<Tensor> QuantizingSource::vector(const VectorSpec& spec) {
  auto out = TRY(base_.vector(spec));
  bytes_ += out.bytes();
  return out;
}

Result<KvCacheFormat> QuantizingSource::kv_cache() {
  if (!options_.kv_cache) return base_.kv_cache();
  return KvCacheFormat{*options_.kv_cache, options_.kv_scales};
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
