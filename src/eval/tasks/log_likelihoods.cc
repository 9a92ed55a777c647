// The schedule of runs, and what becomes of their logits.
#include "eval/tasks/log_likelihoods.h"

#include <algorithm>
#include <memory>
#include <queue>

#include "eval/tasks/group_scores.h"
#include "eval/tasks/shared_runs.h"
#include "eval/token_scores.h"

namespace farthing {
namespace {

// Of the logits of one run: 128 MB.
constexpr int64_t most_logits = int64_t{1} << 25;

// A run whose cache is in memory: it is under way, or others wait for what it leaves.
struct Held {
  const SharedRun& run;
  Sequence sequence;
  size_t waiting = 0;  // runs that go on behind it and have not begun
};

// What one run of the model takes: tokens [begin, end) of a held run.
struct Piece {
  Held* from;
  int64_t begin, end;
  std::span<const ScoredPosition> scored;

  // Rows of logits: from the first position that is scored on.
  int64_t rows() const { return scored.empty() ? 0 : end - scored.front().position; }
};

// The next at most `tokens` of the run, with at most `rows` rows of logits; one token at least.
Piece next_piece(Held& held, int64_t tokens, int64_t rows) {
  const SharedRun& run = held.run;
  const int64_t begin = held.sequence.length;
  const auto after = [](int64_t position, const ScoredPosition& s) {
    return position < s.position;
  };
  const auto first = std::upper_bound(run.scored.begin(), run.scored.end(), begin - 1, after);
  int64_t end = std::min(run.end, begin + tokens);
  if (first != run.scored.end()) end = std::min(end, std::max(first->position + rows, begin + 1));
  const auto last = std::upper_bound(first, run.scored.end(), end - 1, after);
  return {&held, begin, end, {first, last}};
}

class Scoring {
 public:
  Scoring(Context& context, const Model& model, std::span<const ScoredGroup> groups,
          const LikelihoodOptions& options, const GroupSink& sink)
      : context_(context),
        model_(model),
        options_(options),
        sink_(sink),
        pool_(std::make_shared<KvPool>(model.kv_layout(options.kv_cache))),
        most_rows_(std::clamp<int64_t>(most_logits / model.config().vocabulary_size, 1,
                                       options.max_num_batched_tokens)),
        logits_(DType::f32, {most_rows_, model.config().vocabulary_size}),
        scores_(groups),
        runs_(plan_shared_runs(scores_.sequences())),
        children_(runs_.size()),
        held_(runs_.size()) {
    int64_t positions = 0;
    for (size_t r = 0; r < runs_.size(); ++r) {
      positions = std::max(positions, runs_[r].end);
      if (runs_[r].parent < 0)
        ready_.push(r);
      else
        children_[static_cast<size_t>(runs_[r].parent)].push_back(r);
    }
    model.reserve_positions(positions);
  }

  Result<> run() {
    while (!active_.empty() || !ready_.empty()) {
      choose_pieces();
      TRY(run_pieces());
      retire();
    }
    return {};
  }

 private:
  // Begins the next run, where the cache has room for it or nobody else needs it.
  bool admit() {
    if (ready_.empty()) return false;
    const size_t r = ready_.top();
    const SharedRun& run = runs_[r];
    const int64_t wanted =
        (run.end + kv_page_positions - 1) / kv_page_positions - run.first / kv_page_positions;
    const int64_t taken = pool_->pages() - pool_->free_pages();
    if (!active_.empty() && taken + wanted > options_.kv_bytes / pool_->layout().page_bytes())
      return false;
    ready_.pop();
    Sequence sequence{KvCache(pool_), run.first};
    if (run.parent >= 0) {
      std::unique_ptr<Held>& parent = held_[static_cast<size_t>(run.parent)];
      sequence.cache = parent->sequence.cache.fork(run.first);
      if (--parent->waiting == 0) parent.reset();
    }
    sequence.cache.reserve(run.end);
    held_[r] = std::make_unique<Held>(Held{run, std::move(sequence), children_[r].size()});
    active_.push_back(r);
    return true;
  }

  // A piece of each run under way, and new ones until the batch is full.
  void choose_pieces() {
    pieces_.clear();
    int64_t tokens = options_.max_num_batched_tokens, rows = most_rows_;
    for (size_t i = 0; tokens > 0 && rows > 0 && (i < active_.size() || admit()); ++i) {
      pieces_.push_back(next_piece(*held_[active_[i]], tokens, rows));
      tokens -= pieces_.back().end - pieces_.back().begin;
      rows -= pieces_.back().rows();
    }
  }

  Result<> run_pieces() {
    batch_.clear();
    wanted_.clear();
    int64_t rows = 0;
    for (const Piece& piece : pieces_) {
      const ScoredTokens& of = *scores_.sequences()[static_cast<size_t>(piece.from->run.sequence)];
      batch_.push_back({&piece.from->sequence,
                        std::span(of.tokens).subspan(static_cast<size_t>(piece.begin),
                                                     static_cast<size_t>(piece.end - piece.begin)),
                        piece.rows()});
      for (const ScoredPosition& s : piece.scored)
        wanted_.push_back({rows + s.position - piece.scored.front().position, s.token});
      rows += piece.rows();
    }
    const int64_t vocabulary = model_.config().vocabulary_size;
    const View<float, 2> logits{logits_.as<float>(), rows, vocabulary, vocabulary};
    model_.run(context_, batch_, {logits});
    nll_.resize(wanted_.size());
    TRY(score_row_tokens(context_, logits, wanted_, nll_));
    auto nll = nll_.begin();
    for (const Piece& piece : pieces_)
      for (const ScoredPosition& s : piece.scored)
        if (auto done = scores_.keep(s.sequence, s.index, *nll++))
          TRY(sink_(done->group, std::move(done->sums)));
    return {};
  }

  // What is finished makes those ready that wait for it, and leaves with the last of them.
  void retire() {
    std::erase_if(active_, [&](size_t r) {
      if (held_[r]->sequence.length < runs_[r].end) return false;
      for (const size_t child : children_[r]) ready_.push(child);
      if (children_[r].empty()) held_[r].reset();
      return true;
    });
  }

  Context& context_;
  const Model& model_;
  const LikelihoodOptions& options_;
  const GroupSink& sink_;
  std::shared_ptr<KvPool> pool_;
  const int64_t most_rows_;
  Tensor logits_;  // [most_rows_, vocabulary]; memory is taken as it is touched
  GroupScores scores_;
  const std::vector<SharedRun> runs_;
  std::vector<std::vector<size_t>> children_;  // of each run
  std::vector<std::unique_ptr<Held>> held_;    // of each run; null: not begun, or done
  std::vector<size_t> active_;                 // runs under way
  // Runs that can begin, the first in order first: few are kept for others then.
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready_;
  // Of one run of the model.
  std::vector<Piece> pieces_;
  std::vector<SequenceTokens> batch_;
  std::vector<RowToken> wanted_;
  std::vector<double> nll_;
};

}  // namespace

Result<> log_likelihoods(Context& context, const Model& model, std::span<const ScoredGroup> groups,
                         const LikelihoodOptions& options, const GroupSink& sink) {
  return Scoring(context, model, groups, options, sink).run();
}

}  // namespace farthing
