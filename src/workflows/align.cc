// Running pairs, and the statistics of their differences.
#include "workflows/align.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "eval/token_scores.h"
#include "io/npy.h"

namespace farthing {
namespace {

class Statistics {
 public:
  explicit Statistics(double clip) : clip_(clip) {}
  void add(double d) {
    const double size = std::fabs(d), log_r = std::clamp(d, -10.0, 10.0), r = std::exp(log_r);
    const double k3 = std::max(0.0, std::expm1(log_r) - log_r);
    ++count_;
    sum_ += size;
    squares_ += size * size;
    max_ = std::max(max_, size);
    k3_ += k3;
    k3_max_ = std::max(k3_max_, k3);
    ratio_ += r;
    clipped_ += r < 1 - clip_ || r > 1 + clip_;
  }
  Alignment result(std::string name) const {
    const double n = static_cast<double>(std::max<int64_t>(count_, 1)), mean = sum_ / n;
    Alignment out;
    out.name = std::move(name);
    out.tokens = count_;
    out.mean = mean;
    out.max = max_;
    out.deviation = std::sqrt(std::max(0.0, squares_ / n - mean * mean));
    out.k3_mean = k3_ / n;
    out.k3_max = k3_max_;
    out.ratio_mean = ratio_ / n;
    out.clip_fraction = static_cast<double>(clipped_) / n;
    out.equal_bits = max_ == 0;
    return out;
  }

 private:
  double clip_, sum_ = 0, squares_ = 0, max_ = 0, k3_ = 0, k3_max_ = 0, ratio_ = 0;
  int64_t count_ = 0, clipped_ = 0;
};

Tensor new_logits(int64_t rows, int64_t vocabulary) {
  return {DType::f32, Shape{rows, vocabulary}};
}

// -log p of each next token, from logits of the same window.
Result<std::vector<TokenScore>> score(Context& context, View<const float, 2> logits,
                                      std::span<const int32_t> window) {
  std::vector<TokenScore> out(static_cast<size_t>(logits.rows));
  TRY(score_tokens(context, logits, window.subspan(1, out.size()), out));
  return out;
}

// The engine's logits of a window, `chunk` tokens at a time.
void run_chunks(Context& context, const Model& model, std::span<const int32_t> window,
                int64_t chunk, KvCodec codec, Tensor& logits) {
  const auto size = static_cast<int64_t>(window.size());
  Sequence sequence = model.new_sequence(size, codec);
  for (int64_t at = 0; at < size; at += chunk) {
    const int64_t count = std::min(chunk, size - at);
    model.forward(context, sequence,
                  window.subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
                  logits.view<float>().rows_from(at, at + count));
  }
}

struct Way {
  std::string name;
  int64_t chunk = 0;   // tokens at a time; 0: half a window, then padding to a whole one
  size_t machine = 0;  // which context and model
};

struct Machine {
  std::unique_ptr<ContextOwner> owner;
  std::shared_ptr<Model> model;
};

// `recorded`: whose forward pass is recorded; null: the checkpoint's own.
Result<std::vector<Alignment>> align_with(const Model* recorded, Checkpoint& checkpoint,
                                          const Windows& windows, const AlignOptions& options) {
  std::vector<Machine> machines;
  std::vector<Way> ways;
  NoProgress quiet;
  for (const Isa isa : supported_isas()) {
    std::shared_ptr<Model> model;
    for (const int threads : {1, options.threads}) {
      if (threads == 1 && model != nullptr) continue;
      Machine machine{std::make_unique<ContextOwner>(threads, isa), model};
      if (model == nullptr)
        machine.model = model =
            TRY(build_model(machine.owner->get(), checkpoint.config(), checkpoint, quiet));
      TRY(model->check_batch_invariant());
      const std::string where =
          fmt::format("{}, {} thread{}", isa_name(isa), threads, threads == 1 ? "" : "s");
      ways.push_back({"prompt in chunks; " + where, 37, machines.size()});
      ways.push_back({"token by token; " + where, 1, machines.size()});
      ways.push_back({"padded; " + where, 0, machines.size()});
      machines.push_back(std::move(machine));
    }
  }
  const Machine& trainer = machines.back();  // the strongest set, all threads
  if (recorded == nullptr) recorded = trainer.model.get();
  const int64_t size = windows.context(), vocabulary = checkpoint.config().vocabulary_size;
  std::vector<Statistics> statistics(ways.size(), Statistics(options.clip));
  std::vector<bool> equal(ways.size(), true);
  constexpr int64_t packed = 4;  // windows of a batch
  for (int64_t first = 0; first < windows.count(); first += packed) {
    const int64_t count = std::min(packed, windows.count() - first);
    Tensor logits = new_logits(count * size, vocabulary);
    {
      Context context = trainer.owner->get();
      const Workspace::Mark mark(context.workspace);
      Tape tape;
      context.tape = &tape;
      std::vector<Sequence> sequences;
      std::vector<SequenceTokens> batch;
      for (int64_t i = 0; i < count; ++i)
        sequences.push_back(recorded->new_sequence(size, options.kv_cache));
      for (int64_t i = 0; i < count; ++i)
        batch.push_back({&sequences[static_cast<size_t>(i)], windows[first + i], size});
      recorded->run(context, batch, {logits.view<float>()});
    }
    for (int64_t i = 0; i < count; ++i) {
      const auto window = windows[first + i];
      const View<const float, 2> a = logits.view<float>().rows_from(i * size, (i + 1) * size);
      const auto score_a = TRY(score(trainer.owner->get(), a.rows_from(0, size - 1), window));
      for (size_t w = 0; w < ways.size(); ++w) {
        const Machine& machine = machines[ways[w].machine];
        Tensor b = new_logits(size, vocabulary);
        std::vector<int32_t> tokens(window.begin(), window.end());
        const int64_t real = ways[w].chunk == 0 ? (size + 1) / 2 : size;
        std::fill(tokens.begin() + real, tokens.end(), 0);
        run_chunks(machine.owner->get(), *machine.model, tokens,
                   ways[w].chunk == 0 ? size : ways[w].chunk, options.kv_cache, b);
        equal[w] = equal[w] &&
                   std::memcmp(a.data, b.data(), static_cast<size_t>(real * vocabulary) * 4) == 0;
        const int64_t scored = std::min(real, size - 1);
        const View<const float, 2> rows = b.view<float>().rows_from(0, scored);
        const auto score_b = TRY(score(trainer.owner->get(), rows, window));
        for (size_t t = 0; t < score_b.size(); ++t)
          statistics[w].add(score_b[t].nll - score_a[t].nll);
      }
    }
  }
  std::vector<Alignment> out;
  for (size_t w = 0; w < ways.size(); ++w) {
    out.push_back(statistics[w].result(ways[w].name));
    out.back().logits_compared = true;
    out.back().equal_bits = equal[w];
  }
  return out;
}

}  // namespace

Result<std::vector<Alignment>> align_own(Checkpoint& checkpoint, const Windows& windows,
                                         const AlignOptions& options) {
  return align_with(nullptr, checkpoint, windows, options);
}

Result<std::vector<Alignment>> align_trained(const Model& trainer, Checkpoint& written,
                                             const Windows& windows, const AlignOptions& options) {
  TRY(trainer.check_batch_invariant());
  return align_with(&trainer, written, windows, options);
}

Result<Alignment> align_models(Context& context, const Model& a, const Model& b,
                               const Windows& windows, const AlignOptions& options) {
  TRY(a.check_batch_invariant());
  TRY(b.check_batch_invariant());
  const int64_t size = windows.context(), vocabulary = a.config().vocabulary_size;
  if (b.config().vocabulary_size != vocabulary)
    return fail({.what = "the models have different vocabularies",
                 .where = "--against",
                 .got = fmt::format("{} tokens", b.config().vocabulary_size),
                 .wanted = fmt::format("{} tokens", vocabulary),
                 .remedy = "compare models with the same tokenizer"});
  Statistics statistics(options.clip);
  bool equal = true;
  Tensor la = new_logits(size, vocabulary), lb = new_logits(size, vocabulary);
  for (int64_t i = 0; i < windows.count(); ++i) {
    run_chunks(context, a, windows[i], size, options.kv_cache, la);
    run_chunks(context, b, windows[i], size, options.kv_cache, lb);
    equal = equal && std::memcmp(la.data(), lb.data(), static_cast<size_t>(la.bytes())) == 0;
    const auto sa = TRY(score(context, la.view<float>().rows_from(0, size - 1), windows[i]));
    const auto sb = TRY(score(context, lb.view<float>().rows_from(0, size - 1), windows[i]));
    for (size_t t = 0; t < sa.size(); ++t) statistics.add(sb[t].nll - sa[t].nll);
  }
  Alignment out = statistics.result("model against model");
  out.logits_compared = true;
  out.equal_bits = equal;
  return out;
}

Result<Alignment> align_saved(Context& context, const Model& a, const std::filesystem::path& file,
                              const Windows& windows, const AlignOptions& options) {
  TRY(a.check_batch_invariant());
  const int64_t size = windows.context(), vocabulary = a.config().vocabulary_size;
  const Tensor saved = TRY(read_npy(file));
  const int64_t scored = windows.count() * (size - 1), elements = saved.shape().elements();
  const bool full = saved.shape().rank() == 3 && elements == windows.count() * size * vocabulary;
  if (!full && (elements != scored || saved.shape().rank() > 2))
    return fail({.what = "the file's shape does not fit the windows",
                 .where = file.string(),
                 .got = fmt::format("{} values in {} dimensions", elements, saved.shape().rank()),
                 .wanted = fmt::format("[{}, {}] or [{}, {}, {}]", windows.count(), size - 1,
                                       windows.count(), size, vocabulary),
                 .remedy = "write it with the same text, --tokens and --context"});
  const float* values = saved.as<float>();
  Statistics statistics(options.clip);
  Tensor logits = new_logits(size, vocabulary);
  for (int64_t i = 0; i < windows.count(); ++i) {
    run_chunks(context, a, windows[i], size, options.kv_cache, logits);
    const auto sa = TRY(score(context, logits.view<float>().rows_from(0, size - 1), windows[i]));
    std::vector<TokenScore> sb;
    if (full)
      sb = TRY(score(context, {values + i * size * vocabulary, size - 1, vocabulary, vocabulary},
                     windows[i]));
    for (size_t t = 0; t < sa.size(); ++t) {
      const double log_p =
          full ? -sb[t].nll : static_cast<double>(values[i * (size - 1) + static_cast<int64_t>(t)]);
      if (!std::isfinite(log_p) || log_p > 1e-6)
        return fail({.what = "a value is no log-probability",
                     .where = fmt::format("{}, window {}, position {}", file.string(), i, t),
                     .got = fmt::format("{}", log_p),
                     .wanted = "a finite number that is not above 0",
                     .remedy = "write the file again"});
      statistics.add(-sa[t].nll - log_p);
    }
  }
  return statistics.result("model against saved log-probabilities");
}

}  // namespace farthing
