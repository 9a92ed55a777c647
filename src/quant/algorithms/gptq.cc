// gptq: columns are rounded one after another, and each one's error is made good, as far as the
// inputs allow, by the columns that are still to come (feedback.h).
//
// Source: GPTQ, arXiv 2210.17323. Where we differ from the reference: scales are fixed before the
// first column is rounded and searched with what an error in each column costs; columns with the
// largest inputs come first by default, their groups staying where they are; a column without
// inputs keeps its weights and is rounded plainly.
#include "formats/outliers.h"
#include "quant/algorithms/feedback.h"
#include "quant/algorithms/searched.h"

namespace farthing {
namespace {

constexpr float own_damping = 0.01f;

}  // namespace

AlgorithmReport quantize_gptq(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const View<const float, 2> gram = std::as_const(input.inputs->gram).view<float>();
  const auto plainly = [&](const std::string& why) {
    AlgorithmReport report = round_searched(context, input, input.inputs->importance(), out);
    report.fallback = why + (report.fallback.empty() ? "" : "; " + report.fallback);
    return report;
  };
  if (out.format->put_codes == nullptr)
    return plainly("imatrix in place of gptq: weights of this format have no codes of their own");
  if (has_outliers(*out.format))
    return plainly("imatrix in place of gptq: spqr is the method that keeps outliers apart");
  const std::vector<int64_t> order = order_of(gram, input.options.act_order);
  const Feedback feedback =
      feedback_of(context, gram, order, input.options.damping_or(own_damping));
  if (feedback.damping == 0)
    return plainly("imatrix in place of gptq: the inputs' Gram matrix has no decomposition");
  AlgorithmReport report{.damping = feedback.damping};

  const std::vector<float> importance = penalty_of_columns(feedback, order, mean_penalty(feedback));
  report.encode = out.encode_searched(context.pool, input.weight.data, input.weight.stride,
                                      input.rule, importance.data());
  if (report.encode.nonfinite == 0 && report.encode.overflowed_scales == 0)
    round_columns(context, input, order, feedback, out);
  return report;
}

AlgorithmInfo gptq_algorithm() {
  return {.name = "gptq",
          .summary = "rounds column by column; later columns make up for the error of earlier ones",
          .needs = AlgorithmNeeds::gram,
          .quantize = quantize_gptq,
          .suits = [](const Format& format) { return format.put_codes != nullptr; }};
}

}  // namespace farthing
