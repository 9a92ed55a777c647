// A model against itself: recorded as in training, and run in the engine's ways.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/cpu.h"
#include "workflows/align/pairs.h"
#include "workflows/align/statistics.h"
#include "workflows/align/window_run.h"

namespace farthing {
namespace {

constexpr int64_t batch_sizes[] = {1, 3, 17};
// A training run of many sequences keeps the inputs of blocks alone; so does this one.
constexpr int64_t least_with_checkpoints = 17;

struct Machine {
  std::unique_ptr<ContextOwner> owner;
  std::shared_ptr<Model> model;
};

struct Way {
  Way(std::string name, int64_t chunk_tokens, const Machine& on, const OperatorRecorder& recorder,
      int64_t tokens, double clip)
      : chunk(chunk_tokens),
        machine(&on),
        statistics(std::move(name), tokens, clip),
        comparer(recorder) {}
  int64_t chunk;  // tokens at a time; 0: half a window, then padding to a whole one
  const Machine* machine;
  Statistics statistics;
  OperatorComparer comparer;
  bool equal = true;
};

// A model of each instruction set, and a context of one thread and of all for each.
Result<std::vector<Machine>> make_machines(const ModelConfig& config, WeightSource& source,
                                           int threads) {
  std::vector<Machine> out;
  NoProgress quiet;
  for (const Isa isa : supported_isas()) {
    Machine one{std::make_unique<ContextOwner>(1, isa), nullptr};
    one.model = TRY(build_model(one.owner->get(), config, source, quiet));
    const std::shared_ptr<Model> model = one.model;
    out.push_back(std::move(one));
    if (threads > 1) out.push_back({std::make_unique<ContextOwner>(threads, isa), model});
  }
  return out;
}

// A batch as training records it. Its logits, [count * context, vocabulary].
void record(const Machine& trainer, const Model& model, const Windows& windows, int64_t first,
            int64_t count, std::optional<KvCodec> codec, OperatorRecorder& recorder,
            View<float, 2> logits) {
  Context context = trainer.owner->get();
  const Workspace::Mark mark(context.workspace);
  Tape tape(count >= least_with_checkpoints);
  context.tape = &tape;
  context.probe = &recorder;
  std::vector<Sequence> sequences;
  std::vector<SequenceTokens> batch;
  for (int64_t i = 0; i < count; ++i)
    sequences.push_back(model.new_sequence(windows.context(), codec));
  for (int64_t i = 0; i < count; ++i)
    batch.push_back({&sequences[static_cast<size_t>(i)], windows[first + i], windows.context()});
  model.run(context, batch, {logits});
}

class OwnPairs {
 public:
  // `trained`: whose forward pass is recorded; null: the strongest machine's own model's.
  OwnPairs(std::vector<Machine> machines, Model* trained, const Windows& windows,
           const PairOptions& options, Progress& progress)
      : machines_(std::move(machines)),
        recorded_(trained != nullptr ? *trained : *trainer().model),
        windows_(windows),
        options_(options),
        progress_(progress),
        recorder_(recorded_),
        served_(DType::f32, Shape{windows.context(), vocabulary()}) {
    const int64_t tokens = windows.count() * windows.scored();
    out_.log_p.reserve(static_cast<size_t>(tokens));
    for (const Machine& machine : machines_) {
      const Context& context = machine.owner->get();
      const int threads = context.pool.size();
      const std::string where =
          fmt::format("{}, {} thread{}", isa_name(context.isa), threads, threads == 1 ? "" : "s");
      const auto add = [&](const char* what, int64_t chunk) {
        ways_.emplace_back(fmt::format("{}; {}", what, where), chunk, machine, recorder_, tokens,
                           options.clip);
      };
      add("prompt in chunks", 37);
      add("token by token", 1);
      add("padded", 0);
    }
  }

  Result<AlignedPairs> run() {
    for (size_t n = 0; done_ < windows_.count(); ++n)
      TRY(batch(std::min(batch_sizes[n % std::size(batch_sizes)], windows_.count() - done_)));
    for (const Way& way : ways_) {
      out_.pairs.push_back(way.statistics.result());
      out_.pairs.back().logits_compared = true;
      out_.pairs.back().equal_bits = way.equal;
      out_.pairs.back().operators = way.comparer.differences();
    }
    out_.operators = recorder_.operators();
    return std::move(out_);
  }

 private:
  const Machine& trainer() const { return machines_.back(); }  // the strongest set, all threads
  int64_t vocabulary() const { return trainer().model->config().vocabulary_size; }

  // The next windows, recorded together.
  Result<> batch(int64_t count) {
    const int64_t size = windows_.context(), first = done_;
    out_.batches.push_back(count);
    Tensor recorded(DType::f32, Shape{count * size, vocabulary()});
    for (int64_t at = 0; at < count;) {
      const int64_t window_bytes = recorder_.bytes_per_row() * size;
      const int64_t kept =
          window_bytes == 0
              ? 1
              : std::clamp<int64_t>(options_.kept_bytes / window_bytes, 1, count - at);
      recorder_.begin(at * size, kept * size);
      record(trainer(), recorded_, windows_, first, count, options_.kv_cache, recorder_,
             recorded.view<float>());
      for (int64_t i = 0; i < kept; ++i, ++at, ++done_)
        TRY(window(first + at, i * size,
                   recorded.view<float>().rows_from(at * size, (at + 1) * size)));
    }
    return {};
  }

  // One window in every way; its outputs were kept from `kept_row` on.
  Result<> window(int64_t index, int64_t kept_row, View<const float, 2> recorded) {
    const auto tokens = windows_[index];
    const auto log_p = TRY(
        next_token_log_p(trainer().owner->get(), recorded.rows_from(0, windows_.scored()), tokens));
    out_.log_p.insert(out_.log_p.end(), log_p.begin(), log_p.end());
    const auto work = static_cast<double>(ways_.size());
    for (size_t w = 0; w < ways_.size(); ++w) {
      progress_.update(static_cast<double>(index) * work + static_cast<double>(w),
                       static_cast<double>(windows_.count()) * work,
                       fmt::format("window {} of {}", index + 1, windows_.count()));
      TRY(run_way(ways_[w], index, kept_row, recorded, log_p));
    }
    return {};
  }

  Result<> run_way(Way& way, int64_t index, int64_t kept_row, View<const float, 2> recorded,
                   const std::vector<double>& log_p) {
    const int64_t size = windows_.context();
    const bool padded = way.chunk == 0;
    const int64_t real = padded ? (size + 1) / 2 : size;
    std::vector<int32_t> tokens(windows_[index].begin(), windows_[index].end());
    std::fill(tokens.begin() + real, tokens.end(), 0);
    Context context = way.machine->owner->get();
    context.probe = &way.comparer;
    const View<float, 2> served = served_.view<float>();
    run_window(context, *way.machine->model, {tokens, padded ? size : way.chunk, options_.kv_cache},
               served, [&](int64_t at) { way.comparer.begin(index, kept_row, at, real); });
    way.equal = way.equal && std::memcmp(recorded.data, served.data,
                                         static_cast<size_t>(real * vocabulary()) * 4) == 0;
    const auto other = TRY(next_token_log_p(trainer().owner->get(),
                                            served.rows_from(0, std::min(real, windows_.scored())),
                                            windows_[index]));
    for (size_t t = 0; t < other.size(); ++t)
      way.statistics.add(index * windows_.scored() + static_cast<int64_t>(t), log_p[t], other[t]);
    return {};
  }

  std::vector<Machine> machines_;
  Model& recorded_;
  const Windows& windows_;
  const PairOptions& options_;
  Progress& progress_;
  OperatorRecorder recorder_;
  Tensor served_;  // logits of one way
  std::vector<Way> ways_;
  AlignedPairs out_;
  int64_t done_ = 0;  // windows
};

}  // namespace

Result<AlignedPairs> align_own(const ModelConfig& config, WeightSource& source,
                               const Windows& windows, const PairOptions& options,
                               Progress& progress) {
  std::vector<Machine> machines = TRY(make_machines(config, source, options.threads));
  TRY(machines[0].model->check_batch_invariant());
  TRY(machines[0].model->check_kv_cache(options.kv_cache));
  return OwnPairs(std::move(machines), nullptr, windows, options, progress).run();
}

Result<AlignedPairs> align_trained(Model& trained, WeightSource& written, const Windows& windows,
                                   const PairOptions& options, Progress& progress) {
  TRY(trained.check_batch_invariant());
  TRY(trained.check_kv_cache(options.kv_cache));
  return OwnPairs(TRY(make_machines(trained.config(), written, options.threads)), &trained, windows,
                  options, progress)
      .run();
}

}  // namespace farthing
