// The ways in which a model can be asked for log-probabilities: batches, chunks, padding, a tape.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/model.h"

namespace farthing::testing {

using Sequences = std::vector<std::vector<int32_t>>;
// Of each sequence: log-probabilities of the whole vocabulary behind every token.
using LogProbabilities = std::vector<std::vector<float>>;

struct Way {
  size_t batch = 1;     // so many sequences at once, packed one behind the other
  size_t piece = 0;     // tokens that each brings to a step; 0: all of them
  bool padded = false;  // tokens behind the end, up to the longest of the batch; without pieces
  bool taped = false;   // what the backward pass needs is recorded, and the pass run; no pieces
  bool checkpointing = false;  // with a tape
};

std::string name_of(const Way& way);
// Batches of 1, 3 and 17, each whole, in chunks of 17 and 3, token by token, and padded.
std::vector<Way> serving_ways();
// Batches of 1, 3 and 17 with a tape, each plain, padded, and with checkpointing.
std::vector<Way> training_ways();

LogProbabilities log_probabilities(const Way& way, Context& context, const Model& model,
                                   KvCodec codec, const Sequences& sequences);

// Equal in memory.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);
bool same_bits(const LogProbabilities& a, const LogProbabilities& b);

// The log-probability of each sequence's second and later tokens.
std::vector<std::vector<float>> of_next_tokens(const LogProbabilities& of,
                                               const Sequences& sequences);

// The same through Engine::submit, and of the token that each request then samples: `wanted` must
// hold them. Not more requests at once than `batch`, a step's tokens at most `step_tokens`.
void expect_requests_give(const LogProbabilities& wanted, Context& context, const Model& model,
                          KvCodec codec, const Sequences& sequences, int64_t batch,
                          int64_t step_tokens);

// 17 sequences of 1 to 70 tokens: longer than a page of the KV cache.
Sequences seventeen_sequences(int32_t vocabulary = 512);

}  // namespace farthing::testing
