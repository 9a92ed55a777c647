// ModelScorer: one sequence a window.
#include "eval/scorer.h"

namespace farthing {

Result<> ModelScorer::score(std::span<const int32_t> window, View<float, 2> logits) {
  Sequence sequence = model_.new_sequence(static_cast<int64_t>(window.size()), kv_cache_);
  model_.forward(context_, sequence, window, logits);
  return {};
}

}  // namespace farthing
