// The scheduler, and what becomes of a step's logits.
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/softmax.h"

namespace farthing {

struct Engine::Active {
  RequestId id = 0;
  Request request = {};
  std::vector<int32_t> tokens;  // the prompt, then what was sampled
  std::vector<float> prompt_log_probabilities;
  int64_t most_tokens = 0;           // at most the context's rest
  std::optional<Sequence> sequence;  // while it runs
  int64_t known_pages = 0;           // so many of its pages were given to the prefix cache
  PrefixCache::Link link = {};       // the last of them
  bool link_broken = false;
  bool finished = false;
  std::optional<Error> error = {};

  int64_t prompt_tokens() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t made() const { return size() - prompt_tokens(); }
  int64_t left() const { return size() - sequence->length; }
  // The first position whose logits are still needed to score the prompt; prompt_tokens() - 1 once
  // it is scored or if that is not wanted: the position of the first sampled token's logits.
  int64_t first_unscored() const {
    return request.prompt_log_probabilities ? static_cast<int64_t>(prompt_log_probabilities.size())
                                            : prompt_tokens() - 1;
  }
};

namespace {

int64_t pages_for(int64_t positions) {
  return (positions + kv_page_positions - 1) / kv_page_positions;
}

Result<> check_at_least(int64_t got, int64_t least, std::string_view name) {
  if (got >= least) return {};
  return fail({.what = "an option of the engine is outside its range",
               .where = std::string(name),
               .got = fmt::format("{}", got),
               .wanted = fmt::format("at least {}", least),
               .remedy = "correct the value or leave it away"});
}

int64_t pages_of_budget(const Model& model, const EngineOptions& options) {
  const int64_t page_bytes = model.kv_layout(options.kv_cache_dtype).page_bytes();
  const int64_t longest = pages_for(model.config().max_positions);
  if (options.kv_pages == 0 && options.kv_bytes == 0) {
    const int64_t default_pages = std::max(longest, (int64_t{1} << 30) / page_bytes);
    return std::min(default_pages, longest * options.max_num_seqs);
  }
  int64_t pages = options.kv_pages > 0 ? options.kv_pages : INT32_MAX;
  if (options.kv_bytes > 0) pages = std::min(pages, options.kv_bytes / page_bytes);
  return pages;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(Context& context, const Model& model,
                                               const EngineOptions& options) {
  TRY(model.check_batch_invariant());
  TRY(model.check_kv_cache(options.kv_cache_dtype));
  TRY(check_at_least(options.max_num_seqs, 1, "max_num_seqs"));
  TRY(check_at_least(options.max_num_batched_tokens, 1, "max_num_batched_tokens"));
  TRY(check_at_least(options.kv_pages, 0, "kv_pages"));
  TRY(check_at_least(options.kv_bytes, 0, "kv_bytes"));
  const int64_t pages = pages_of_budget(model, options);
  if (pages < 1) {
    return fail({.what = "the KV cache's budget holds no page",
                 .where = "kv_bytes",
                 .got = fmt::format("{} bytes", options.kv_bytes),
                 .wanted = fmt::format("at least {} bytes, for a page of {} positions",
                                       model.kv_layout(options.kv_cache_dtype).page_bytes(),
                                       kv_page_positions),
                 .remedy = "raise the budget, or store keys and values in fewer bits (int8)"});
  }
  return std::unique_ptr<Engine>(new Engine(context, model, options, pages));
}

Engine::Engine(Context& context, const Model& model, const EngineOptions& options,
               int64_t most_pages)
    : context_(context),
      model_(model),
      options_(options),
      most_pages_(most_pages),
      pool_(std::make_shared<KvPool>(model.kv_layout(options.kv_cache_dtype))) {
  if (options.reserve_pages) pool_->reserve(most_pages);
  if (options.enable_prefix_caching) prefixes_ = std::make_unique<PrefixCache>(pool_, most_pages);
  const auto most_requests = static_cast<size_t>(
      std::min(options.max_num_seqs, std::max(options.max_num_batched_tokens, most_pages)));
  running_.reserve(most_requests);
  finished_.reserve(most_requests);
  scheduled_.reserve(most_requests);
  batch_.reserve(most_requests);
  outputs_.reserve(most_requests);
}

Engine::~Engine() = default;

int64_t Engine::free_kv_pages() const { return most_pages_ - pool_->pages() + pool_->free_pages(); }

Result<RequestId> Engine::submit(Request request) {
  TRY(check_sampling(request.sampling));
  TRY(check_prompt(request.prompt, model_.config()));
  TRY(check_at_least(request.most_tokens, 0, "most_tokens"));
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  const int64_t most_tokens = room_for(request, model_.config());
  const int64_t positions = prompt_tokens + std::max<int64_t>(most_tokens - 1, 0);
  if (pages_for(positions) > most_pages_) {
    return fail(
        {.what = "the request can never fit into the KV cache",
         .where = "request",
         .got = fmt::format("{} tokens of prompt and at most {} new ones: {} pages of {} "
                            "positions",
                            prompt_tokens, most_tokens, pages_for(positions), kv_page_positions),
         .wanted = fmt::format("at most {} pages", most_pages_),
         .remedy = "ask for fewer tokens, or give the KV cache more memory or fewer bits"});
  }
  model_.reserve_positions(positions);
  auto active = std::make_unique<Active>();
  active->id = next_id_++;
  active->request = std::move(request);
  active->most_tokens = most_tokens;
  active->tokens.reserve(static_cast<size_t>(prompt_tokens + most_tokens));
  active->tokens = active->request.prompt;
  if (active->request.prompt_log_probabilities)
    active->prompt_log_probabilities.reserve(static_cast<size_t>(prompt_tokens - 1));
  waiting_.push_back(std::move(active));
  return waiting_.back()->id;
}

bool Engine::cancel(RequestId id) {
  const auto is_it = [id](const ActivePointer& request) { return request->id == id; };
  return std::erase_if(running_, is_it) + std::erase_if(waiting_, is_it) > 0;
}

// Evicts until so many pages can be taken. Evicts nothing where that cannot be reached.
bool Engine::make_room(int64_t pages) {
  if (free_kv_pages() >= pages) return true;
  if (prefixes_ == nullptr || free_kv_pages() + prefixes_->evictable() < pages) return false;
  while (free_kv_pages() < pages) {
    CHECK(prefixes_->evict());
    ++statistics_.evictions;
  }
  return true;
}

// Starts the request that waits longest, with pages for all its tokens. False: it does not fit yet.
bool Engine::admit() {
  Active& request = *waiting_.front();
  Sequence& sequence = request.sequence.emplace(Sequence{KvCache(pool_), 0});
  request.known_pages = 0;
  request.link = {};
  request.link_broken = false;
  if (prefixes_ != nullptr) {
    // What is left is computed: at least the last token, and whatever scores the prompt.
    const int64_t reusable = std::min(request.first_unscored(), request.size() - 1);
    shared_pages_.clear();
    request.link = prefixes_->match(std::span(request.tokens).first(static_cast<size_t>(reusable)),
                                    shared_pages_);
    sequence.cache.share(shared_pages_);
    request.known_pages = static_cast<int64_t>(shared_pages_.size());
    sequence.length = request.known_pages * kv_page_positions;
  }
  if (!make_room(pages_for(request.size()) - request.known_pages)) {
    request.sequence.reset();
    return false;
  }
  sequence.cache.reserve(request.size());
  statistics_.reused_tokens += sequence.length;
  running_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  return true;
}

void Engine::preempt_youngest() {
  running_.back()->sequence.reset();
  waiting_.push_front(std::move(running_.back()));
  running_.pop_back();
  ++statistics_.preemptions;
}

void Engine::schedule(Active& request, int64_t tokens) {
  const int64_t begin = request.sequence->length, end = begin + tokens;
  int64_t logits = 0;
  if (end == request.size()) logits = 1;
  if (request.first_unscored() < request.prompt_tokens() - 1)
    logits = std::max(logits, end - std::max(begin, request.first_unscored()));
  token_budget_ -= tokens;
  scheduled_.push_back({&request, logits});
  batch_.push_back(
      {&*request.sequence,
       std::span(request.tokens).subspan(static_cast<size_t>(begin), static_cast<size_t>(tokens)),
       logits});
}

void Engine::schedule_decoding() {
  for (size_t i = 0; i < running_.size() && token_budget_ > 0; ++i) {
    Active& request = *running_[i];
    if (request.left() > 1) continue;
    const int64_t pages = pages_for(request.size());
    const auto missing = [&] {
      return pages - static_cast<int64_t>(request.sequence->cache.pages().size());
    };
    while (missing() > 0 && !make_room(missing())) {
      preempt_youngest();
      if (i == running_.size()) return;  // it was itself the youngest
    }
    request.sequence->cache.reserve(request.size());
    schedule(request, 1);
  }
}

void Engine::schedule_prompts() {
  for (size_t i = 0; token_budget_ > 0; ++i) {
    if (i == running_.size()) {
      if (waiting_.empty() || running() == options_.max_num_seqs || !admit()) return;
    } else if (running_[i]->left() == 1) {
      continue;  // it decodes
    }
    schedule(*running_[i], std::min(token_budget_, running_[i]->left()));
  }
}

std::span<const RequestOutput> Engine::step() {
  finished_.clear();
  scheduled_.clear();
  batch_.clear();
  outputs_.clear();
  token_budget_ = options_.max_num_batched_tokens;
  schedule_decoding();
  schedule_prompts();
  CHECK(idle() || !batch_.empty());
  if (batch_.empty()) return {};
  run_scheduled();
  retire_finished();
  return outputs_;
}

void Engine::run_scheduled() {
  int64_t rows = 0;
  for (const SequenceTokens& sequence : batch_) {
    rows += sequence.logits;
    statistics_.computed_tokens += static_cast<int64_t>(sequence.tokens.size());
  }
  ++statistics_.steps;
  const int64_t vocabulary = model_.config().vocabulary_size;
  if (logits_.bytes() < rows * vocabulary * static_cast<int64_t>(sizeof(float))) {
    const int64_t decoding = std::min(options_.max_num_seqs, options_.max_num_batched_tokens);
    logits_ = Tensor(DType::f32, {std::max(rows, decoding), vocabulary});
  }
  View<float, 2> logits{rows > 0 ? logits_.as<float>() : nullptr, rows, vocabulary, vocabulary};
  model_.run(context_, batch_, {logits});
  int64_t row = 0;
  for (const Scheduled& item : scheduled_) {
    Active& request = *item.request;
    remember_pages(request);
    const int64_t end = row + item.logits;
    if (item.logits > 0)
      score_prompt(request, request.sequence->length - item.logits, logits.rows_from(row, end));
    if (request.left() == 0)
      sample_next(request, {logits.row(end - 1), static_cast<size_t>(vocabulary)});
    row = end;
  }
}

void Engine::remember_pages(Active& request) {
  if (prefixes_ == nullptr || request.link_broken) return;
  const int64_t full = request.sequence->length / kv_page_positions;
  for (; request.known_pages < full; ++request.known_pages) {
    const auto page = static_cast<size_t>(request.known_pages);
    const auto tokens = std::span(request.tokens).subspan(page * kv_page_positions);
    if (!prefixes_->insert(request.link, tokens.first(kv_page_positions),
                           request.sequence->cache.pages()[page], request.link)) {
      request.link_broken = true;
      return;
    }
  }
}

// logits: behind the positions from first_position on. Those at position p score the token at p
// + 1.
void Engine::score_prompt(Active& request, int64_t first_position, View<const float, 2> logits) {
  const int64_t begin = request.first_unscored();
  const int64_t end = std::min(first_position + logits.rows, request.prompt_tokens() - 1);
  if (begin >= end) return;
  CHECK(begin >= first_position);
  request.prompt_log_probabilities.resize(static_cast<size_t>(end));
  const auto count = static_cast<size_t>(end - begin);
  const auto next = std::span<const int32_t>(request.request.prompt);
  ops::token_log_probabilities(
      context_, logits.rows_from(begin - first_position, end - first_position),
      next.subspan(static_cast<size_t>(begin) + 1, count),
      std::span(request.prompt_log_probabilities).subspan(static_cast<size_t>(begin), count));
}

void Engine::sample_next(Active& request, std::span<const float> logits) {
  RequestOutput& out = outputs_.emplace_back(RequestOutput{.id = request.id});
  if (request.made() == 0) out.prompt_log_probabilities = request.prompt_log_probabilities;
  const Request& wanted = request.request;
  if (request.most_tokens > 0) {
    auto token = sample(context_, logits, request.tokens, wanted.sampling, wanted.stream,
                        request.tokens.size());
    if (!token) {
      request.error = std::move(token.error());
      out.error = &*request.error;
      out.finished = request.finished = true;
      return;
    }
    ++statistics_.sampled_tokens;
    if (std::find(wanted.stop_tokens.begin(), wanted.stop_tokens.end(), token->id) !=
        wanted.stop_tokens.end()) {
      out.finish = Finish::stop_token;
      out.finished = request.finished = true;
      return;
    }
    out.has_token = true;
    out.token = *token;
    request.tokens.push_back(token->id);
  }
  if (request.made() < request.most_tokens) return;
  out.finish =
      request.most_tokens < wanted.most_tokens ? Finish::context_full : Finish::most_tokens;
  out.finished = request.finished = true;
}

// Their pages are free from now on; what outputs point to stays until the next step.
void Engine::retire_finished() {
  for (ActivePointer& request : running_) {
    if (!request->finished) continue;
    request->sequence.reset();
    finished_.push_back(std::move(request));
  }
  std::erase(running_, nullptr);
}

}  // namespace farthing
