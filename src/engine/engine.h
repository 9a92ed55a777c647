// Engine: many requests at once over one model, in steps that mix prompts and decoding.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/request.h"
#include "model/model.h"

namespace farthing {

// Names as vLLM's engine arguments.
struct EngineOptions {
  std::optional<KvCodec> kv_cache_dtype = {};  // absent: as the model says
  // The KV cache's budget, in pages of 64 positions or in bytes; the smaller one of those given.
  // Neither: 1 GiB, but room for the model's longest sequence, and no more than max_num_seqs of
  // those. Memory is taken as it is needed, or all at the start.
  int64_t kv_pages = 0, kv_bytes = 0;
  bool reserve_pages = false;
  int64_t max_num_seqs = 64;             // requests that run at once
  int64_t max_num_batched_tokens = 512;  // tokens of one step
  bool enable_prefix_caching = true;
};

using RequestId = uint64_t;  // ascending in order of submission

// What a step made of one request. Spans and `error` are valid until the next step or cancel.
struct RequestOutput {
  RequestId id;
  bool has_token = false;
  SampledToken token = {};  // and its log-probability
  bool finished = false;
  Finish finish = Finish::most_tokens;  // once finished
  const Error* error = nullptr;         // finished, because this request's logits are no numbers
  // With the request's first output, if it was wanted: of each token of the prompt but the first.
  std::span<const float> prompt_log_probabilities = {};
};

struct EngineStatistics {
  int64_t steps = 0, computed_tokens = 0, reused_tokens = 0, sampled_tokens = 0;
  int64_t preemptions = 0, evictions = 0;
};

// A request's tokens and log-probabilities are a function of the model, the KV codec and the
// request alone, bit for bit: not of other requests, of the order of submission, of these options
// (but kv_cache_dtype), or of threads. Prefix reuse, preemption and chunks cost or save time only.
//
// A step runs one token of every request that decodes, then prompts in order of arrival in chunks,
// up to max_num_batched_tokens. A request starts when there are pages for its prompt; where a
// decoding one finds no page, first pages that only the prefix cache holds are evicted, then the
// youngest request is preempted: its pages go, and it is computed again later. A step in which
// nothing but decoding happens allocates nothing, apart from a page table that doubles, and pages
// that the pool makes.
//
// Not for several threads at once. Context and model must outlive it; nobody else uses the context
// while a step runs.
class Engine {
 public:
  // Fails on options outside their range, on a budget below one page, on a model whose results
  // depend on the batch (formats/activations.h), and on a KV cache whose scales it does not have.
  static Result<std::unique_ptr<Engine>> create(Context& context, const Model& model,
                                                const EngineOptions& options = {});
  ~Engine();

  // Fails on an empty prompt, on ids outside the vocabulary, on a prompt beyond the model's
  // context, on parameters outside their range, and on a request that the budget could never hold.
  Result<RequestId> submit(Request request);
  // One run of the model. Gives the outputs of this step: valid until the next call.
  std::span<const RequestOutput> step();
  // Forgets a request; no output of it comes any more. False: it was not there.
  bool cancel(RequestId id);
  // Whether no request is left.
  bool idle() const { return running_.empty() && waiting_.empty(); }

  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t kv_pages() const { return most_pages_; }
  int64_t free_kv_pages() const;  // those of the prefix cache are not free
  const EngineStatistics& statistics() const { return statistics_; }

 private:
  struct Active;
  using ActivePointer = std::unique_ptr<Active>;
  struct Scheduled {
    Active* request;
    int64_t logits;
  };

  Engine(Context& context, const Model& model, const EngineOptions& options, int64_t most_pages);
  bool make_room(int64_t pages);
  bool admit();
  void preempt_youngest();
  void schedule(Active& request, int64_t tokens);
  void schedule_decoding();
  void schedule_prompts();
  void run_scheduled();
  void remember_pages(Active& request);
  void score_prompt(Active& request, int64_t first_position, View<const float, 2> logits);
  void sample_next(Active& request, std::span<const float> logits);
  void retire_finished();

  Context& context_;
  const Model& model_;
  const EngineOptions options_;
  const int64_t most_pages_;
  std::shared_ptr<KvPool> pool_;
  std::unique_ptr<PrefixCache> prefixes_;  // null: off
  std::deque<ActivePointer> waiting_;      // both in order of arrival; all of running_ came
  std::vector<ActivePointer> running_;     // before all of waiting_
  std::vector<ActivePointer> finished_;    // until the next step
  RequestId next_id_ = 1;

  // Of the step that is being made.
  int64_t token_budget_ = 0;
  std::vector<Scheduled> scheduled_;
  std::vector<SequenceTokens> batch_;
  std::vector<RequestOutput> outputs_;
  std::vector<int32_t> shared_pages_;
  Tensor logits_;
  EngineStatistics statistics_;
};

}  // namespace farthing
