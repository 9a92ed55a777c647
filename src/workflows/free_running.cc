// Two engines one after another, and the model again along the baseline's texts.
#include "workflows/free_running.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "engine/engine.h"

namespace farthing {
namespace {

using Tokens = std::vector<int32_t>;

Result<std::vector<Tokens>> continuations(Context& context, const Model& model,
                                          std::optional<KvCodec> kv_cache,
                                          const std::vector<Tokens>& prompts, int64_t tokens) {
  const auto engine = TRY(Engine::create(context, model, {.kv_cache_dtype = kv_cache}));
  std::map<RequestId, size_t> which;
  std::vector<Tokens> out(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i)
    which[TRY(engine->submit(
        {.prompt = prompts[i], .sampling = {.temperature = 0}, .most_tokens = tokens}))] = i;
  while (!engine->idle())
    for (const RequestOutput& output : engine->step()) {
      if (output.error != nullptr) return fail(*output.error);
      if (output.has_token) out[which.at(output.id)].push_back(output.token.id);
    }
  return out;
}

// How many of `text`, behind the prompt, are the model's most likely tokens.
int64_t most_likely(Context& context, const Model& model, std::optional<KvCodec> kv_cache,
                    const Tokens& prompt, const Tokens& text, View<float, 2> logits) {
  Tokens read = prompt;
  read.insert(read.end(), text.begin(), text.end() - 1);
  Sequence sequence = model.new_sequence(static_cast<int64_t>(read.size()), kv_cache);
  model.forward(context, sequence, read, logits);
  int64_t out = 0;
  for (int64_t i = 0; i < logits.rows; ++i) {
    const float* row = logits.row(i);
    out += std::max_element(row, row + logits.columns) - row == text[static_cast<size_t>(i)];
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
  const auto theirs = TRY(continuations(context, baseline, std::nullopt, prompts, out.tokens));
  progress.update(1, 3, "the model's continuations");
  const auto ours = TRY(continuations(context, model, options.kv_cache, prompts, out.tokens));
  progress.update(2, 3, "the model along the baseline's texts");
  Tensor logits(DType::f32, {out.tokens, model.config().vocabulary_size});
  std::vector<double> text, front, position, forced;
  for (size_t i = 0; i < prompts.size(); ++i) {
    CHECK(ours[i].size() == theirs[i].size());
    const auto count = static_cast<double>(out.tokens);
    const auto parted = std::mismatch(ours[i].begin(), ours[i].end(), theirs[i].begin()).first;
    int64_t same = 0;
    for (size_t t = 0; t < ours[i].size(); ++t) same += ours[i][t] == theirs[i][t];
    text.push_back(parted == ours[i].end() ? 1 : 0);
    front.push_back(static_cast<double>(parted - ours[i].begin()));
    position.push_back(static_cast<double>(same) / count);
    forced.push_back(static_cast<double>(most_likely(context, model, options.kv_cache, prompts[i],
                                                     theirs[i], logits.view<float>())) /
                     count);
  }
  progress.update(3, 3, "compared");
  out.same_text = mean_estimate(text);
  out.same_tokens = mean_estimate(front);
  out.same_position = mean_estimate(position);
  out.teacher_forced = mean_estimate(forced);
  return out;
}

}  // namespace farthing
