// Measuring a model on windows of text: perplexity, and its distance from a baseline.
#pragma once

#include <functional>

#include "base/progress.h"
#include "eval/baseline_logits.h"
#include "eval/bootstrap.h"
#include "eval/scorer.h"
#include "eval/windows.h"

namespace farthing {

// Is handed the logits of each window in turn, [context, vocabulary]: to save or spill them.
using LogitSink = std::function<Result<>(int64_t window, View<const float, 2> logits)>;

struct EvaluateOptions {
  BaselineLogits* baseline = nullptr;  // without one, only the NLL is measured
  LogitSink sink = {};                 // may be empty
};

// Scores every window; one window's logits are in memory at a time (two with a baseline). Progress
// counts windows. Fails where the vocabularies differ or a logit is not finite.
Result<ScoredWindows> evaluate(Context& context, Scorer& scorer, const Windows& windows,
                               const EvaluateOptions& options, Progress& progress);

}  // namespace farthing
