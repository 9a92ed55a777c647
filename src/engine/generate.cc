// The loop of generation: prompt in pieces, then one token at a time.
#include "engine/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/progress.h"
#include "engine/check_prompt.h"

namespace farthing {
namespace {

// Bounds the memory that a long prompt's activations take; the bits do not depend on it.
constexpr int64_t prompt_piece_tokens = 256;

}  // namespace

std::string_view finish_name(Finish finish) {
  switch (finish) {
    case Finish::stop_token:
      return "stop_token";
    case Finish::most_tokens:
      return "most_tokens";
    case Finish::context_full:
      return "context_full";
    case Finish::caller:
      return "caller";
  }
  return "?";
}

Result<Generation> generate(Context& context, const Model& model, std::span<const int32_t> prompt,
                            const GenerateOptions& options,
                            const std::function<bool(const SampledToken&)>& on_token) {
  const ModelConfig& config = model.config();
  TRY(model.check_batch_invariant());
  TRY(check_sampling(options.sampling));
  TRY(check_prompt(prompt, config));
  const auto prompt_tokens = static_cast<int64_t>(prompt.size());
  // The last token is never fed back, so one more than the context's rest can be made.
  const int64_t room = config.max_positions - prompt_tokens + 1;
  const int64_t most_tokens = std::min(options.most_tokens, room);
  Sequence sequence =
      model.new_sequence(std::min(prompt_tokens + most_tokens, config.max_positions));
  Tensor logits(DType::f32, {1, config.vocabulary_size});
  const std::span<const float> row(logits.as<float>(), static_cast<size_t>(config.vocabulary_size));

  Generation out;
  const double started = now_seconds();
  for (int64_t begin = 0; begin < prompt_tokens; begin += prompt_piece_tokens) {
    const int64_t end = std::min(begin + prompt_piece_tokens, prompt_tokens);
    auto wanted = logits.view<float>();
    if (end < prompt_tokens) wanted.rows = 0;  // only the last token's logits are needed
    model.forward(context, sequence,
                  prompt.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                  wanted);
  }
  const double prompt_done = now_seconds();
  out.prompt_seconds = prompt_done - started;

  std::vector<int32_t> history(prompt.begin(), prompt.end());
  out.finish = most_tokens < options.most_tokens ? Finish::context_full : Finish::most_tokens;
  while (static_cast<int64_t>(out.tokens.size()) < most_tokens) {
    const SampledToken token =
        TRY(sample(context, row, history, options.sampling, options.stream, history.size()));
    if (std::find(options.stop_tokens.begin(), options.stop_tokens.end(), token.id) !=
        options.stop_tokens.end()) {
      out.finish = Finish::stop_token;
      break;
    }
    out.tokens.push_back(token);
    history.push_back(token.id);
    if (!on_token(token)) {
      out.finish = Finish::caller;
      break;
    }
    if (static_cast<int64_t>(out.tokens.size()) == most_tokens) break;
    model.forward(context, sequence, {&history.back(), 1}, logits.view<float>());
  }
  out.decode_seconds = now_seconds() - prompt_done;
  return out;
}

}  // namespace farthing
