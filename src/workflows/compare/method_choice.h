// Choosing how weights are quantized by the calibration's text alone: every method is fitted to the
// first windows of it and judged on the last, which no method saw.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/checkpoint.h"
#include "quant/method.h"
#include "quant/quantize.h"
#include "tensor/context.h"
#include "workflows/compare/compare_report.h"

namespace farthing {

struct MethodChoice {
  Method method;                    // the one with the least KL; of equal ones the simplest
  std::vector<MethodTrial> trials;  // of all that were tried
  std::string protocol;             // what they were judged on
};

// All algorithms and rescalings that suit the scheme; rescalings before what they come with and
// before gptq.
std::vector<Method> methods_for(const Scheme& scheme);

// One choice for each plan; what a plan names itself is not read. Fails where the text is the one
// with the digest `judged`, or holds no two windows, or no method works with a plan.
Result<std::vector<MethodChoice>> choose_methods(Context& context, Checkpoint& checkpoint,
                                                 std::span<const QuantizeOptions> plans,
                                                 const CalibrationOptions& calibration,
                                                 const std::string& judged,
                                                 const std::filesystem::path& scratch,
                                                 Progress& progress);

}  // namespace farthing
