// Sampling: from the logits behind the last token to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "tensor/context.h"

namespace farthing {

// Fields and meaning as vLLM's SamplingParams and llama.cpp's samplers. The defaults change
// nothing: the model's own distribution.
struct SamplingParameters {
  float temperature = 1;  // logits are divided by it; 0: always the most probable token
  int64_t top_k = 0;      // only the k most probable tokens; 0: all
  float top_p = 1;  // only the most probable tokens that together reach this probability; 1: all
  float min_p = 0;  // only tokens at least this likely relative to the most probable one; 0: all
  float repetition_penalty =
      1;  // logits of tokens that occurred: divided by it where positive, else multiplied
  int64_t repetition_window = -1;  // tokens to look back for the penalty, prompt included; -1: all
  uint64_t seed = 0;
};

// Fails on values outside their range; names the flag as `farthing run` spells it.
Result<> check_sampling(const SamplingParameters& parameters);

struct Candidate {
  int32_t token;
  float probability;
};

// The distribution that the next token is drawn from, most probable first, ties by the lower id;
// the probabilities sum to 1 up to rounding. `history`: prompt and tokens so far. The order of the
// steps is vLLM's: repetition penalty, temperature, min-p, top-k, top-p; top-p counts the mass that
// top-k left. Fails where a logit is NaN, or all are -infinity.
Result<std::vector<Candidate>> next_token_distribution(Context& context,
                                                       std::span<const float> logits,
                                                       std::span<const int32_t> history,
                                                       const SamplingParameters& parameters);

struct SampledToken {
  int32_t id;
  float log_probability;  // of the model's own distribution: before penalty, temperature and
                          // truncation
};

// Draws a token with the random number (seed, stream, index): a function of its arguments alone.
// `stream` is the request, `index` the position in its sequence.
Result<SampledToken> sample(Context& context, std::span<const float> logits,
                            std::span<const int32_t> history, const SamplingParameters& parameters,
                            uint64_t stream, uint64_t index);

}  // namespace farthing
