// A model against another model, and against log-probabilities that another program saved.
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "io/npy.h"
#include "workflows/align/pairs.h"
#include "workflows/align/statistics.h"
#include "workflows/align/window_run.h"

namespace farthing {
namespace {

// Of the first block that has experts; no model's blocks differ in them.
struct ExpertSizes {
  explicit ExpertSizes(const ModelConfig& config) {
    for (const BlockPlan& block : config.plan.blocks)
      if (!block.experts.experts.empty()) {
        count = static_cast<int64_t>(block.experts.experts.size());
        chosen = block.experts.routing.chosen;
        inner = block.experts.experts[0].down.k;
        return;
      }
  }
  int64_t count = 0, chosen = 0, inner = 0;
};

// What keeps two models from being compared operator by operator; empty: nothing.
std::string different_sizes(const ModelConfig& a, const ModelConfig& b) {
  if (a.architecture != b.architecture)
    return fmt::format("their architectures differ ({} and {})", a.architecture, b.architecture);
  const ExpertSizes of_a(a), of_b(b);
  const struct {
    const char* name;
    int64_t a, b;
  } sizes[] = {{"layers", a.layers, b.layers},
               {"hidden_size", a.hidden_size, b.hidden_size},
               {"heads", a.heads, b.heads},
               {"kv_heads", a.kv_heads, b.kv_heads},
               {"head_dim", a.head_dim, b.head_dim},
               {"intermediate_size", a.intermediate_size, b.intermediate_size},
               {"numbers of experts", of_a.count, of_b.count},
               {"experts of a token", of_a.chosen, of_b.chosen},
               {"experts' sizes", of_a.inner, of_b.inner}};
  for (const auto& size : sizes)
    if (size.a != size.b)
      return fmt::format("their {} differ ({} and {})", size.name, size.a, size.b);
  return {};
}

void update(Progress& progress, int64_t window, const Windows& windows) {
  progress.update(static_cast<double>(window), static_cast<double>(windows.count()),
                  fmt::format("window {} of {}", window + 1, windows.count()));
}

}  // namespace

Result<AlignedPairs> align_models(Context& shared, Model& a, Model& b, const Windows& windows,
                                  const PairOptions& options, Progress& progress) {
  TRY(a.check_batch_invariant());
  TRY(b.check_batch_invariant());
  TRY(a.check_kv_cache(options.kv_cache));
  TRY(b.check_kv_cache(options.kv_cache));
  const int64_t size = windows.context(), vocabulary = a.config().vocabulary_size;
  if (b.config().vocabulary_size != vocabulary)
    return fail({.what = "the models have different vocabularies",
                 .where = "--against",
                 .got = fmt::format("{} tokens", b.config().vocabulary_size),
                 .wanted = fmt::format("{} tokens", vocabulary),
                 .remedy = "compare models with the same tokenizer"});
  AlignedPairs out;
  if (const std::string why = different_sizes(a.config(), b.config()); !why.empty())
    out.operators_note = "The models' operators were not compared: " + why + ".";
  Context context = shared;
  OperatorRecorder recorder(a);
  OperatorComparer comparer(recorder);
  const bool probed = out.operators_note.empty();
  Statistics statistics("model against model", windows.count() * windows.scored(), options.clip);
  bool equal = true;
  Tensor la(DType::f32, Shape{size, vocabulary}), lb(DType::f32, Shape{size, vocabulary});
  for (int64_t i = 0; i < windows.count(); ++i) {
    update(progress, i, windows);
    const WindowRun run{windows[i], size, options.kv_cache};
    context.probe = probed ? &recorder : nullptr;
    run_window(context, a, run, la.view<float>(), [&](int64_t) { recorder.begin(0, size); });
    context.probe = probed ? &comparer : nullptr;
    run_window(context, b, run, lb.view<float>(),
               [&](int64_t at) { comparer.begin(i, 0, at, size); });
    equal = equal && std::memcmp(la.data(), lb.data(), static_cast<size_t>(la.bytes())) == 0;
    const auto pa =
        TRY(next_token_log_p(context, la.view<float>().rows_from(0, windows.scored()), windows[i]));
    const auto pb =
        TRY(next_token_log_p(context, lb.view<float>().rows_from(0, windows.scored()), windows[i]));
    for (size_t t = 0; t < pa.size(); ++t)
      statistics.add(i * windows.scored() + static_cast<int64_t>(t), pa[t], pb[t]);
    out.log_p.insert(out.log_p.end(), pa.begin(), pa.end());
  }
  Alignment pair = statistics.result();
  pair.logits_compared = true;
  pair.equal_bits = equal;
  pair.operators = comparer.differences();
  out.operators = recorder.operators();
  out.pairs.push_back(std::move(pair));
  return out;
}

Result<AlignedPairs> align_saved(Context& context, const Model& a,
                                 const std::filesystem::path& file, const Windows& windows,
                                 const PairOptions& options, Progress& progress) {
  TRY(a.check_batch_invariant());
  TRY(a.check_kv_cache(options.kv_cache));
  const int64_t size = windows.context(), vocabulary = a.config().vocabulary_size;
  const Tensor saved = TRY(read_npy(file));
  const int64_t per_window = windows.scored(), scored = windows.count() * per_window;
  const int64_t elements = saved.shape().elements();
  const bool full = saved.shape().rank() == 3 && elements == windows.count() * size * vocabulary;
  if (!full && (elements != scored || saved.shape().rank() > 2))
    return fail({.what = "the file's shape does not fit the windows",
                 .where = file.string(),
                 .got = fmt::format("{} values in {} dimensions", elements, saved.shape().rank()),
                 .wanted = fmt::format("[{}, {}] or [{}, {}, {}]", windows.count(), per_window,
                                       windows.count(), size, vocabulary),
                 .remedy = "write it with the same text, --tokens and --context"});
  const float* values = saved.as<float>();
  AlignedPairs out;
  out.operators_note = "A file holds no outputs of operators: they were not compared.";
  Statistics statistics("model against saved log-probabilities", scored, options.clip);
  Tensor logits(DType::f32, Shape{size, vocabulary});
  for (int64_t i = 0; i < windows.count(); ++i) {
    update(progress, i, windows);
    run_window(context, a, {windows[i], size, options.kv_cache}, logits.view<float>(),
               [](int64_t) {});
    const auto pa =
        TRY(next_token_log_p(context, logits.view<float>().rows_from(0, per_window), windows[i]));
    std::vector<double> pb;
    if (full)
      pb = TRY(next_token_log_p(
          context, {values + i * size * vocabulary, per_window, vocabulary, vocabulary},
          windows[i]));
    else
      pb.assign(values + i * per_window, values + (i + 1) * per_window);
    for (size_t t = 0; t < pa.size(); ++t) {
      if (!std::isfinite(pb[t]) || pb[t] > 1e-6)
        return fail({.what = "a value is no log-probability",
                     .where = fmt::format("{}, window {}, position {}", file.string(), i, t),
                     .got = fmt::format("{}", pb[t]),
                     .wanted = "a finite number that is not above 0",
                     .remedy = "write the file again"});
      statistics.add(i * per_window + static_cast<int64_t>(t), pa[t], pb[t]);
    }
    out.log_p.insert(out.log_p.end(), pa.begin(), pa.end());
  }
  out.pairs.push_back(statistics.result());
  return out;
}

}  // namespace farthing
