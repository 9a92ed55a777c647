// The log-likelihoods of answers: many questions at once, what several texts begin with run once.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "eval/tasks/tokenized_choice.h"
#include "model/model.h"
#include "tensor/context.h"

namespace farthing {

struct LikelihoodOptions {
  std::optional<KvCodec> kv_cache = {};  // absent: as the model says
  int64_t max_num_batched_tokens = 512;  // rows of one run of the model
  int64_t kv_bytes = int64_t{1} << 30;   // of the KV cache; one answer always runs
};

// Is handed the sums of a group's sequences as soon as they are there, in no order of the groups.
using GroupSink = std::function<Result<>(int64_t group, std::vector<double> sums)>;

// The sum of log p of each sequence's scored tokens, nats, added in ascending order in double: a
// function of the model, the KV codec and the sequence alone, bit for bit, if the model's results
// do not depend on the batch. Nothing is padded, and the order of the groups costs nothing. Fails
// where a logit is not finite, and where the sink fails.
Result<> log_likelihoods(Context& context, const Model& model, std::span<const ScoredGroup> groups,
                         const LikelihoodOptions& options, const GroupSink& sink);

}  // namespace farthing
