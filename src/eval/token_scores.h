// What one position's logits say: the next token's likelihood, and how far they are from the
// baseline's.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace farthing {

struct TokenScore {
  double nll = 0;           // -log p(next token), nats
  double baseline_nll = 0;  // the baseline's; without one, the model's own
  double kl =
      0;  // KL(baseline || model) of the next-token distributions, nats; 0 without a baseline
  bool top1 = true;  // both have the same most likely token (the first of equal ones)
};

// Scores position i, whose logits are row i, for the next token next[i]. Logits are floats;
// everything behind them is computed in double, in an order that depends on the vocabulary's size
// alone. KL's rounding error is below 1e-12. Fails where a logit is not finite.
Result<> score_tokens(Context& context, View<const float, 2> logits, std::span<const int32_t> next,
                      std::span<TokenScore> out);
// The same against the baseline's logits of the same positions.
Result<> score_tokens_against(Context& context, View<const float, 2> baseline,
                              View<const float, 2> logits, std::span<const int32_t> next,
                              std::span<TokenScore> out);

// A token whose likelihood a row of logits gives.
struct RowToken {
  int64_t row;
  int32_t token;
};
// -log p of each, nats: the bits of score_tokens' nll. `wanted` ascends by row, so that a row that
// scores several tokens is summed once. Fails where a logit is not finite.
Result<> score_row_tokens(Context& context, View<const float, 2> logits,
                          std::span<const RowToken> wanted, std::span<double> nll);

}  // namespace farthing
