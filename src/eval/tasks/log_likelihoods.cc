// The schedule of runs, and what becomes of their logits.
#include "eval/tasks/log_likelihoods.h"

#include <algorithm>
#include <memory>

#include "eval/tasks/shared_runs.h"
#include "eval/token_scores.h"

namespace farthing {
namespace {

// Of the logits of one run: 128 MB.
constexpr int64_t most_logits = int64_t{1} << 25;

// A group under way.
struct Active {
  Active(int64_t group_index, const ScoredGroup& group, Sequence with)
      : index(group_index),
        tokens(group),
        runs(plan_shared_runs(group)),
        sequence(std::move(with)) {
    for (const ScoredTokens& answer : group) nll.emplace_back(static_cast<size_t>(answer.scored));
    position = runs[0].first;
  }
  bool finished() const { return run == runs.size(); }

  int64_t index;
  const ScoredGroup& tokens;
  std::vector<SharedRun> runs;
  Sequence sequence;
  size_t run = 0;                        // the one that is next, or half done:
  int64_t position = 0;                  // where it goes on
  std::vector<std::vector<double>> nll;  // of each answer's tokens
};

// What one run of the model takes from a group: tokens [begin, end) of its current run.
struct Piece {
  Active* from;
  int64_t begin, end;
  std::span<const ScoredPosition> scored;

  // Rows of logits: from the first position that is scored on.
  int64_t rows() const { return scored.empty() ? 0 : end - scored.front().position; }
};

// The next at most `tokens` of the group, with at most `rows` rows of logits; one token at least.
Piece next_piece(Active& active, int64_t tokens, int64_t rows) {
  const SharedRun& run = active.runs[active.run];
  const auto after = [](int64_t position, const ScoredPosition& s) {
    return position < s.position;
  };
  const auto first =
      std::upper_bound(run.scored.begin(), run.scored.end(), active.position - 1, after);
  int64_t end = std::min(run.end, active.position + tokens);
  if (first != run.scored.end())
    end = std::min(end, std::max(first->position + rows, active.position + 1));
  const auto last = std::upper_bound(first, run.scored.end(), end - 1, after);
  return {&active, active.position, end, {first, last}};
}

class Scoring {
 public:
  Scoring(Context& context, const Model& model, std::span<const ScoredGroup> groups,
          const LikelihoodOptions& options)
      : context_(context),
        model_(model),
        groups_(groups),
        options_(options),
        pool_(std::make_shared<KvPool>(model.kv_layout(options.kv_cache))),
        most_rows_(std::max<int64_t>(1, most_logits / model.config().vocabulary_size)) {}

  Result<> run(const GroupSink& sink) {
    while (!active_.empty() || next_ < groups_.size()) {
      choose_pieces();
      TRY(run_pieces());
      TRY(retire(sink));
    }
    return {};
  }

 private:
  static int64_t pages_of(const ScoredGroup& group) {
    int64_t longest = 0;
    for (const ScoredTokens& answer : group) longest = std::max(longest, answer.size() - 1);
    return (longest + kv_page_positions - 1) / kv_page_positions;
  }

  // The next group, where the cache has room for it or nobody else needs it.
  bool admit() {
    if (next_ == groups_.size()) return false;
    const ScoredGroup& group = groups_[next_];
    const int64_t pages = pages_of(group);
    if (!active_.empty() && pages_ + pages > options_.kv_bytes / pool_->layout().page_bytes())
      return false;
    pages_ += pages;
    active_.push_back(std::make_unique<Active>(
        static_cast<int64_t>(next_), group, model_.new_sequence(pool_, pages * kv_page_positions)));
    ++next_;
    return true;
  }

  // A piece of each group under way, and new groups until the run is full.
  void choose_pieces() {
    pieces_.clear();
    int64_t tokens = options_.max_num_batched_tokens, rows = most_rows_;
    for (size_t i = 0; tokens > 0 && rows > 0 && (i < active_.size() || admit()); ++i) {
      pieces_.push_back(next_piece(*active_[i], tokens, rows));
      tokens -= pieces_.back().end - pieces_.back().begin;
      rows -= pieces_.back().rows();
    }
  }

  Result<> run_pieces() {
    batch_.clear();
    wanted_.clear();
    int64_t rows = 0;
    for (const Piece& piece : pieces_) {
      Active& from = *piece.from;
      from.sequence.cache.truncate(piece.begin);
      from.sequence.length = piece.begin;
      const auto& tokens = from.tokens[static_cast<size_t>(from.runs[from.run].sequence)].tokens;
      batch_.push_back({&from.sequence,
                        std::span(tokens).subspan(static_cast<size_t>(piece.begin),
                                                  static_cast<size_t>(piece.end - piece.begin)),
                        piece.rows()});
      for (const ScoredPosition& s : piece.scored)
        wanted_.push_back({rows + s.position - piece.scored.front().position, s.token});
      rows += piece.rows();
    }
    const int64_t vocabulary = model_.config().vocabulary_size;
    if (logits_.bytes() < rows * vocabulary * static_cast<int64_t>(sizeof(float)))
      logits_ = Tensor(DType::f32, {rows, vocabulary});
    const View<float, 2> logits{rows > 0 ? logits_.as<float>() : nullptr, rows, vocabulary,
                                vocabulary};
    model_.run(context_, batch_, {logits});
    nll_.resize(wanted_.size());
    TRY(score_row_tokens(context_, logits, wanted_, nll_));
    auto nll = nll_.begin();
    for (const Piece& piece : pieces_)
      for (const ScoredPosition& s : piece.scored)
        piece.from->nll[static_cast<size_t>(s.sequence)][static_cast<size_t>(s.index)] = *nll++;
    return {};
  }

  Result<> retire(const GroupSink& sink) {
    for (const Piece& piece : pieces_) {
      Active& from = *piece.from;
      from.position = piece.end;
      if (from.position < from.runs[from.run].end) continue;
      if (++from.run < from.runs.size()) from.position = from.runs[from.run].first;
    }
    for (const auto& active : active_) {
      if (!active->finished()) continue;
      pages_ -= pages_of(active->tokens);
      std::vector<double> sums(active->nll.size());
      for (size_t i = 0; i < sums.size(); ++i)
        for (const double nll : active->nll[i]) sums[i] -= nll;
      TRY(sink(active->index, std::move(sums)));
    }
    std::erase_if(active_, [](const auto& active) { return active->finished(); });
    return {};
  }

  Context& context_;
  const Model& model_;
  std::span<const ScoredGroup> groups_;
  const LikelihoodOptions& options_;
  std::shared_ptr<KvPool> pool_;
  const int64_t most_rows_;
  std::vector<std::unique_ptr<Active>> active_;
  size_t next_ = 0;
  int64_t pages_ = 0;  // of the groups under way
  // Of one run of the model.
  std::vector<Piece> pieces_;
  std::vector<SequenceTokens> batch_;
  std::vector<RowToken> wanted_;
  std::vector<double> nll_;
  Tensor logits_;
};

}  // namespace

Result<> log_likelihoods(Context& context, const Model& model, std::span<const ScoredGroup> groups,
                         const LikelihoodOptions& options, const GroupSink& sink) {
  return Scoring(context, model, groups, options).run(sink);
}

}  // namespace farthing
