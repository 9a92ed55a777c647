// Scoring a window.
#include "workflows/align/window_run.h"

#include "eval/token_scores.h"

namespace farthing {

Result<std::vector<double>> next_token_log_p(Context& context, View<const float, 2> logits,
                                             std::span<const int32_t> window) {
  std::vector<TokenScore> scores(static_cast<size_t>(logits.rows));
  TRY(score_tokens(context, logits, window.subspan(1, scores.size()), scores));
  std::vector<double> out;
  for (const TokenScore& score : scores) out.push_back(-score.nll);
  return out;
}

}  // namespace farthing
