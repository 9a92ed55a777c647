// Two engines one after another, and the model again along the baseline's texts.
#include "workflows/free_running.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "engine/engine.h"

namespace farthing {
namespace {

using Tokens = std::vector<int32_t>;

constexpr int32_t end_of_text = -1;  // stands for whichever token ended it

Result<std::vector<Tokens>> continuations(Context& context, const Model& model,
                                          std::optional<KvCodec> kv_cache,
                                          const std::vector<Tokens>& prompts,
                                          const Tokens& stop_tokens, int64_t tokens) {
  const auto engine = TRY(Engine::create(context, model, {.kv_cache_dtype = kv_cache}));
  std::map<RequestId, size_t> which;
  std::vector<Tokens> out(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i)
    which[TRY(engine->submit({.prompt = prompts[i],
                              .sampling = {.temperature = 0},
                              .most_tokens = tokens,
                              .stop_tokens = stop_tokens}))] = i;
  while (!engine->idle())
    for (const RequestOutput& output : engine->step()) {
      if (output.error != nullptr) return fail(*output.error);
      Tokens& text = out[which.at(output.id)];
      if (output.has_token) text.push_back(output.token.id);
      if (output.finished && output.finish == Finish::stop_token) text.push_back(end_of_text);
    }
  return out;
}

// How many of `text`, behind the prompt, are the model's most likely tokens. `logits` has room for
// as many rows.
int64_t most_likely(Context& context, const Model& model, std::optional<KvCodec> kv_cache,
                    const Tokens& prompt, const Tokens& text, const Tokens& stop_tokens,
                    View<float, 2> logits) {
  Tokens read = prompt;
  read.insert(read.end(), text.begin(), text.end() - 1);
  Sequence sequence = model.new_sequence(static_cast<int64_t>(read.size()), kv_cache);
  logits.rows = static_cast<int64_t>(text.size());
  model.forward(context, sequence, read, logits);
  int64_t out = 0;
  for (int64_t i = 0; i < logits.rows; ++i) {
    const float* row = logits.row(i);
    auto best = static_cast<int32_t>(std::max_element(row, row + logits.columns) - row);
    if (std::find(stop_tokens.begin(), stop_tokens.end(), best) != stop_tokens.end())
      best = end_of_text;
    out += best == text[static_cast<size_t>(i)];
  }
  return out;
}

}  // namespace

Result<FreeRunning> free_running(Context& context, const Model& model, const Model& baseline,
                                 const Windows& windows, const FreeRunningOptions& options,
                                 Progress& progress) {
  FreeRunning out{.windows = std::min(windows.count(), options.windows),
                  .prompt = std::min(options.prompt, windows.context() / 2)};
  // The last token is not read.
  out.tokens = std::min({options.tokens, model.config().max_positions - out.prompt + 1,
                         baseline.config().max_positions - out.prompt + 1});
  CHECK(out.windows > 0 && out.prompt > 0 && out.tokens > 0);
  std::vector<Tokens> prompts;
  for (int64_t i = 0; i < out.windows; ++i) {
    const auto prompt = windows[i].first(static_cast<size_t>(out.prompt));
    prompts.emplace_back(prompt.begin(), prompt.end());
  }
  progress.update(0, 3, "the baseline's continuations");
  const Tokens& stop_tokens = options.stop_tokens;
  const auto theirs =
      TRY(continuations(context, baseline, std::nullopt, prompts, stop_tokens, out.tokens));
  progress.update(1, 3, "the model's continuations");
  const auto ours =
      TRY(continuations(context, model, options.kv_cache, prompts, stop_tokens, out.tokens));
  progress.update(2, 3, "the model along the baseline's texts");
  Tensor logits(DType::f32, {out.tokens, model.config().vocabulary_size});
  std::vector<double> text, front, position, forced;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Tokens &mine = ours[i], &base = theirs[i];
    const size_t shorter = std::min(mine.size(), base.size()),
                 longer = std::max(mine.size(), base.size());
    const auto parted = static_cast<size_t>(
        std::mismatch(mine.begin(), mine.end(), base.begin(), base.end()).first - mine.begin());
    int64_t same = 0;
    for (size_t t = 0; t < shorter; ++t) same += mine[t] == base[t];
    const int64_t likely = most_likely(context, model, options.kv_cache, prompts[i], base,
                                       stop_tokens, logits.view<float>());
    text.push_back(parted == longer ? 1 : 0);
    front.push_back(static_cast<double>(parted));
    position.push_back(static_cast<double>(same) / static_cast<double>(longer));
    forced.push_back(static_cast<double>(likely) / static_cast<double>(base.size()));
  }
  progress.update(3, 3, "compared");
  out.same_text = mean_estimate(text);
  out.same_tokens = mean_estimate(front);
  out.same_position = mean_estimate(position);
  out.teacher_forced = mean_estimate(forced);
  return out;
}

}  // namespace farthing
