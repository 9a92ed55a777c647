// awq: weights of channels with large inputs are multiplied before they are rounded, and their
// inputs divided, so that they keep more of their digits.
//
// Source: AWQ, arXiv 2306.00978: s = mean|x|^r of each channel, normalised by the square root of
// the largest times the smallest; r of 0, 1/20 ... 19/20 by the error that rounding then makes.
// Where we differ from the reference: the error is that of the linears' outputs over all
// calibration tokens, by the inputs' Gram matrix, relative to the outputs and added over the
// linears that share the channels; from values to attention's output it also works with grouped
// query heads; and there is no search for a clip afterwards, because the algorithm that rounds
// searches each group's scale (imatrix unless another is named).
#include <algorithm>
#include <cmath>

#include "base/rehearsal.h"
#include "kernels/scalar_math.h"
#include "quant/layer_error.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

constexpr int grid = 20;
constexpr int64_t most_rows = 512;  // of a weight that the search rounds, evenly spaced

// The mean of |x|, over tokens and over the columns of each channel.
std::vector<double> mean_inputs(const RescalingInput& input) {
  const auto count = static_cast<size_t>(input.channels.channels());
  std::vector<double> sums(count), columns(count);
  double tokens = 0;
  for (const RescalingReader& reader : input.readers) {
    if (reader.inputs == nullptr) continue;
    tokens += static_cast<double>(reader.inputs->tokens);
    for (size_t k = 0; k < input.channels.channel.size(); ++k)
      sums[static_cast<size_t>(input.channels.channel[k])] += reader.inputs->magnitudes[k];
  }
  for (const int64_t c : input.channels.channel) columns[static_cast<size_t>(c)] += 1;
  for (size_t c = 0; c < count; ++c) sums[c] = tokens > 0 ? sums[c] / (tokens * columns[c]) : 0;
  return sums;
}

std::vector<float> factors_of(const std::vector<double>& inputs, double exponent) {
  std::vector<double> out;
  for (const double mean : inputs)
    out.push_back(mean > 0 ? std::max(fixed_pow(mean, exponent), 1e-4) : exponent == 0 ? 1 : 1e-4);
  const auto [least, most] = std::minmax_element(out.begin(), out.end());
  const double middle = std::sqrt(*least * *most);
  std::vector<float> factors;
  for (const double each : out) factors.push_back(static_cast<float>(each / middle));
  return factors;
}

// Some rows of a reader's weight, and the error of their outputs when they are rounded rescaled.
class Trial {
 public:
  Trial(const RescalingReader& reader, const RescalingInput& input)
      : reader_(reader), input_(input), k_(reader.spec.k) {
    const int64_t n = reader.spec.n, count = std::min(n, most_rows);
    rows_ = Tensor(DType::f32, {count, k_});
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(reader.weight.as<float>() + i * n / count * k_, k_, rows_.as<float>() + i * k_);
  }

  // Relative to the outputs' squares.
  double error(Context& context, const std::vector<float>& factors) const {
    const Format& format = *scheme_that_holds(reader_.choice->scheme, k_).weights;
    const int64_t n = rows_.shape()[0];
    Tensor scaled(DType::f32, {n, k_}), gram(DType::f32, {k_, k_});
    const auto factor = [&](int64_t k) {
      return factors[static_cast<size_t>(input_.channels.channel[static_cast<size_t>(k)])];
    };
    context.pool.run([&](Part part) {
      const auto rows = part.range(n);
      for (int64_t i = rows.begin; i < rows.end; ++i)
        for (int64_t k = 0; k < k_; ++k)
          scaled.as<float>()[i * k_ + k] = std::as_const(rows_).as<float>()[i * k_ + k] * factor(k);
      const auto lines = part.range(k_);
      const auto from = reader_.inputs->gram.view<float>();
      for (int64_t i = lines.begin; i < lines.end; ++i)
        for (int64_t k = 0; k < k_; ++k)
          gram.view<float>().row(i)[k] = from.row(i)[k] / (factor(i) * factor(k));
    });
    const LinearSpec spec{reader_.spec.name, n, k_};
    const LayerInput layer{spec, std::as_const(scaled).view<float>(), format,
                           rule_for(input_.options, format)};
    QuantizedTensor q = QuantizedTensor::allocate(format, n, k_);
    find_algorithm("rtn")->quantize(context, layer, q);
    return OutputError(context, layer.weight, std::as_const(gram).view<float>()).of(q);
  }

 private:
  const RescalingReader& reader_;
  const RescalingInput& input_;
  int64_t k_;
  Tensor rows_;
};

RescalingFactors awq_factors(Context& context, const RescalingInput& input) {
  std::vector<Trial> trials;
  for (const RescalingReader& reader : input.readers)
    if (reader.choice && !reader.choice->scheme.weights->plain && reader.inputs != nullptr &&
        reader.inputs->tokens > 0)
      trials.emplace_back(reader, input);
  RescalingFactors best;
  if (trials.empty()) return best;
  const std::vector<double> inputs = mean_inputs(input);
  double least = INFINITY;
  for (int i = 0; i < grid; ++i) {
    const double exponent = static_cast<double>(i) / grid;
    std::vector<float> factors = factors_of(inputs, exponent);
    double error = 0;
    for (const Trial& trial : trials) error += trial.error(context, factors);
    if (!(error < least) && !rehearsing()) continue;
    least = error;
    best = {i == 0 ? std::vector<float>() : std::move(factors), exponent};
  }
  return best;
}

}  // namespace

RescalingInfo awq_rescaling() {
  return {.name = "awq",
          .summary =
              "weights of channels with large inputs are scaled up before they are rounded, "
              "by a search for the least error of the outputs",
          .needs = AlgorithmNeeds::gram,
          .algorithm = "imatrix",
          .factors = awq_factors};
}

}  // namespace farthing
