// spqr: gptq for formats that keep outliers apart. Weights that cost too much to round, by
// themselves or by what they do to their group's range, are stored as they are.
//
// Source: SpQR, arXiv 2306.03078 (github.com/Vahe1994/SpQR): an error counts D[j] in column j
// (gptq's 1 / d^2), the limit is a threshold times the mean over columns of D[j] * (the column's
// variance). Before the loop, candidates are those without whom the rest of a group errs less by
// more than the limit; they have no say in scales and zeros. In the loop, a column whose error
// behind its feedback exceeds it is an outlier and makes no error. Where we differ from the
// reference: scales and zeros are fixed before the loop, and searched, from the weights as they
// are, so that the groups stay where they are whatever the order of columns; mean squares stand for
// variances (formats/spqr.h).
#include "formats/outliers.h"
#include "quant/algorithms/feedback.h"
#include "quant/algorithms/searched.h"

namespace farthing {
namespace {

constexpr float own_damping = 0.01f;

AlgorithmReport in_place_of_spqr(AlgorithmReport report, const std::string& why) {
  report.fallback = why + (report.fallback.empty() ? "" : "; " + report.fallback);
  return report;
}

AlgorithmReport quantize_spqr(Context& context, const LayerInput& input, QuantizedTensor& out) {
  if (!has_outliers(*out.format))
    return in_place_of_spqr(quantize_gptq(context, input, out),
                            "gptq in place of spqr: the format keeps no outliers apart");
  const View<const float, 2> gram = std::as_const(input.inputs->gram).view<float>();
  const std::vector<int64_t> order = order_of(gram, input.options.act_order);
  const Feedback feedback =
      feedback_of(context, gram, order, input.options.damping_or(own_damping));
  if (feedback.damping == 0)
    return in_place_of_spqr(
        round_searched(context, input, input.inputs->importance(), out),
        "imatrix in place of spqr: the inputs' Gram matrix has no decomposition");
  AlgorithmReport report{.damping = feedback.damping};
  const View<const float, 2> w = input.weight;
  const std::vector<float> penalty = penalty_of_columns(feedback, order, mean_penalty(feedback));
  const float limit = outlier_limit(context.pool, w.data, out.n, out.k, w.stride, penalty.data(),
                                    input.options.outlier_threshold);
  report.encode =
      out.encode_with_outliers(context.pool, w.data, w.stride, input.rule, penalty.data(), limit);
  if (report.encode.nonfinite > 0 || report.encode.overflowed_scales > 0) return report;
  const auto unit = static_cast<float>(mean_penalty(feedback));
  report.encode.overflowed_scales =
      round_columns(context, input, order, feedback, out, limit * unit);
  return report;
}

}  // namespace

AlgorithmInfo spqr_algorithm() {
  return {.name = "spqr",
          .summary = "gptq for formats that keep outliers apart: spqr3_g16, spqr4_g16",
          .needs = AlgorithmNeeds::gram,
          .quantize = quantize_spqr,
          .suits = has_outliers};
}

}  // namespace farthing
