// Timing of prompt and decode.
#include "eval/speed.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/progress.h"

namespace farthing {
namespace {

Rate rate_of(int64_t tokens, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto count = static_cast<double>(tokens);
  return {count / seconds[seconds.size() / 2], count / seconds.back(), count / seconds.front()};
}

}  // namespace

Speed measure_speed(Context& context, const Model& model, const SpeedOptions& options) {
  CHECK(options.prompt_tokens > 0 && options.decode_tokens > 0 && options.runs > 0);
  const int64_t positions = model.config().max_positions;
  Speed speed;
  speed.prompt_tokens = std::max<int64_t>(1, std::min(options.prompt_tokens, positions / 2));
  speed.decode_tokens =
      std::max<int64_t>(1, std::min(options.decode_tokens, positions - speed.prompt_tokens));
  const int64_t vocabulary = model.config().vocabulary_size;
  // Which tokens does not matter: every token costs the same.
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < speed.prompt_tokens; ++i)
    tokens.push_back(static_cast<int32_t>(i * 7919 % vocabulary));
  const std::span<const int32_t> prompt(tokens);
  Tensor logits(DType::f32, {1, vocabulary});
  const auto seconds_of = [](const auto& work) {
    const double start = now_seconds();
    work();
    return now_seconds() - start;
  };
  std::vector<double> prompt_seconds, decode_seconds;
  const double began = now_seconds();
  for (int run = -1; run < options.runs; ++run) {
    const bool warming_up = run < 0;
    if (run > 0 && now_seconds() - began > options.enough_seconds) break;
    Sequence sequence =
        model.new_sequence(speed.prompt_tokens + speed.decode_tokens, options.kv_cache);
    const auto part = warming_up ? prompt.first((prompt.size() + 7) / 8) : prompt;
    const double prompt_time =
        seconds_of([&] { model.forward(context, sequence, part, logits.view<float>()); });
    const int64_t steps =
        warming_up ? std::min<int64_t>(4, speed.decode_tokens) : speed.decode_tokens;
    const double decode_time = seconds_of([&] {
      for (int64_t i = 0; i < steps; ++i) {
        const auto at = static_cast<size_t>(i % speed.prompt_tokens);
        model.forward(context, sequence, prompt.subspan(at, 1), logits.view<float>());
      }
    });
    if (warming_up) continue;
    prompt_seconds.push_back(prompt_time);
    decode_seconds.push_back(decode_time);
    ++speed.runs;
  }
  speed.prompt = rate_of(speed.prompt_tokens, std::move(prompt_seconds));
  speed.decode = rate_of(speed.decode_tokens, std::move(decode_seconds));
  return speed;
}

}  // namespace farthing
