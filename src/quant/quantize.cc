// QuantizingSource: one linear through the format, the fallback where k does not fit, and the error
// that it made.
#include "quant/quantize.h"

#include <fmt/format.h>

#include <vector>

namespace farthing {
namespace {

// sum (w' - w)^2 / sum w^2, added row by row in double: the same for any number of threads.
double relative_squared_error(Context& context, View<const float, 2> weight,
                              const QuantizedTensor& q) {
  std::vector<double> damage(static_cast<size_t>(q.n)), size(static_cast<size_t>(q.n));
  context.pool.run([&](Part part) {
    const auto rows = part.range(q.n);
    std::vector<float> decoded(static_cast<size_t>(q.k));
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      q.format->decode_tile(q, {n, n + 1, 0, q.k}, decoded.data(), q.k);
      double error = 0, square = 0;
      for (int64_t k = 0; k < q.k; ++k) {
        const double w = weight.row(n)[k], e = decoded[static_cast<size_t>(k)] - w;
        error += e * e;
        square += w * w;
      }
      damage[static_cast<size_t>(n)] = error;
      size[static_cast<size_t>(n)] = square;
    }
  });
  double error = 0, square = 0;
  for (size_t n = 0; n < damage.size(); ++n) {
    error += damage[n];
    square += size[n];
  }
  return square == 0 ? 0 : error / square;
}

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

}  // namespace

double mean_relative_squared_error(std::span<const LayerReport> layers) {
  double sum = 0, weights = 0;
  for (const LayerReport& layer : layers) {
    const auto count = static_cast<double>(layer.n * layer.k);
    sum += layer.relative_squared_error * count;
    weights += count;
  }
  return weights == 0 ? 0 : sum / weights;
}

Result<> check_options(const QuantizeOptions& options) {
  if (!options.scale_rule) return {};
  std::string known;
  for (ScaleRule rule : options.scheme.weights->scale_rules) {
    if (rule == *options.scale_rule) return {};
    known += (known.empty() ? "" : ", ") + std::string(scale_rule_name(rule));
  }
  return fail({.what = "the format has no such scale rule",
               .where = fmt::format("--scale-rule for {}", options.scheme.weights->name),
               .got = std::string(scale_rule_name(*options.scale_rule)),
               .wanted = known.empty() ? "no rule: this format has no scale" : "one of " + known,
               .remedy = "leave --scale-rule away for the format's default"});
}

bool needs_calibration(const QuantizeOptions& options) {
  return is_static(options.scheme.activations) ||
         (options.tables && is_static(options.tables->activations));
}

Result<> calibrate_for(Context& context, Checkpoint& from, const CalibrationOptions& calibration,
                       QuantizeOptions& options, Progress& progress) {
  if (!needs_calibration(options) || options.calibration != nullptr) return {};
  options.calibration = TRY(calibrate(context, from, calibration, progress));
  return {};
}

Result<StoredLinear> QuantizingSource::quantize(const LinearSpec& spec, StoredLinear from,
                                                const Scheme& scheme) {
  const double started = now_seconds();
  const Scheme held = scheme_that_holds(scheme, spec.k);
  StaticInput input;
  if (is_static(held.activations)) {
    if (options_.calibration == nullptr) {
      return fail({.what = "static activations need a calibration",
                   .where = spec.name,
                   .got = scheme.name(),
                   .wanted = "what the linear's input holds while the model reads a text",
                   .remedy = "store the model with `farthing quantize` in this scheme first"});
    }
    input = TRY(options_.calibration->input_of(spec.name, held.activations));
  }
  const Format& format = *held.weights;
  LayerReport report{
      .name = spec.name, .n = spec.n, .k = spec.k, .format = std::string(format.name)};
  if (&format != scheme.weights) {
    report.fallback = fmt::format("k = {} is no multiple of {}'s block of {}", spec.k,
                                  scheme.weights->name, scheme.weights->block);
    if (options_.strict) {
      return fail(
          {.what = "a linear does not fit the format's blocks",
           .where = spec.name,
           .got = fmt::format("k = {}", spec.k),
           .wanted =
               fmt::format("a multiple of {} for {}", scheme.weights->block, scheme.weights->name),
           .remedy = fmt::format("leave --strict away to store such linears as {}, or choose "
                                 "an int format: its last group may be shorter",
                                 format.name)});
    }
  }
  Tensor weight =
      from.weight.format->plain == DType::f32 ? from.weight.planes[0] : from.weight.decode();
  const View<const float, 2> view = std::as_const(weight).view<float>();
  QuantizedTensor out = QuantizedTensor::allocate(format, spec.n, spec.k);
  const ScaleRule rule = format.scale_rules.empty() ? ScaleRule::half_step
                         : options_.scale_rule && &format == options_.scheme.weights
                             ? *options_.scale_rule
                             : format.scale_rules.front();
  report.encode = options_.method->quantize(context_, {spec, view, format, rule}, out);
  if (report.encode.nonfinite > 0 || report.encode.overflowed_scales > 0)
    return fail(encode_error(spec, format, report.encode));
  seconds_ += now_seconds() - started;
  report.bits_per_weight = out.bits_per_weight();
  report.bytes = out.bytes();
  report.relative_squared_error = relative_squared_error(context_, view, out);
  reports_.push_back(std::move(report));
  return StoredLinear{std::move(out), held.activations, input};
}

Result<StoredLinear> QuantizingSource::linear(const LinearSpec& spec) {
  auto out = TRY(base_.linear(spec));
  if (!spec.keeps_precision) out = TRY(quantize(spec, std::move(out), options_.scheme));
  bytes_ += out.weight.bytes();
  return out;
}

Result<StoredLinear> QuantizingSource::table(const LinearSpec& spec) {
  auto out = TRY(base_.table(spec));
  if (options_.tables)
    out = TRY(quantize(spec, std::move(out),
                       scheme_of_table(*options_.tables, spec.name, options_.calibration.get())));
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
