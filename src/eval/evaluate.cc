// The loop over windows.
#include "eval/evaluate.h"

#include <fmt/format.h>

namespace farthing {

Result<ScoredWindows> evaluate(Context& context, Scorer& scorer, const Windows& windows,
                               const EvaluateOptions& options, Progress& progress) {
  const int64_t vocabulary = scorer.vocabulary_size();
  if (options.baseline != nullptr && options.baseline->vocabulary_size() != vocabulary) {
    return fail(
        {.what = "model and baseline have different vocabularies",
         .where = "KL against the baseline",
         .got = fmt::format("{} and {} tokens", vocabulary, options.baseline->vocabulary_size()),
         .wanted = "the same tokens",
         .remedy = "compare a model with the one it was made from"});
  }
  ScoredWindows out{windows.scored(), std::vector<TokenScore>(
                                          static_cast<size_t>(windows.count() * windows.scored()))};
  Tensor logits(DType::f32, {windows.context(), vocabulary});
  for (int64_t i = 0; i < windows.count(); ++i) {
    progress.update(static_cast<double>(i), static_cast<double>(windows.count()),
                    fmt::format("window {} of {}", i + 1, windows.count()));
    TRY(scorer.score(windows[i], logits.view<float>()));
    const auto next = windows[i].subspan(1);
    const auto scores =
        std::span(out.tokens).subspan(static_cast<size_t>(i * windows.scored()), next.size());
    const View<const float, 2> all = logits.view<float>(),
                               scored = all.rows_from(0, windows.scored());
    if (options.baseline != nullptr) {
      const auto baseline = TRY(options.baseline->window(i, windows[i]));
      TRY(score_tokens_against(context, baseline, scored, next, scores));
    } else {
      TRY(score_tokens(context, scored, next, scores));
    }
    if (options.sink) TRY(options.sink(i, all));
  }
  progress.update(static_cast<double>(windows.count()), static_cast<double>(windows.count()),
                  "scored");
  return out;
}

}  // namespace farthing
