// What a prompt must be, and the names of endings.
#include "engine/request.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing {

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

std::vector<int32_t> stop_tokens_of(const ModelConfig& config, const Tokenizer& tokenizer) {
  std::vector<int32_t> out = config.stop_tokens;
  const auto eos = tokenizer.eos_id();
  if (eos && std::find(out.begin(), out.end(), *eos) == out.end()) out.push_back(*eos);
  return out;
}

Result<> check_prompt(std::span<const int32_t> prompt, const ModelConfig& config) {
  if (prompt.empty()) {
    return fail({.what = "the prompt is empty",
                 .where = "prompt",
                 .got = "no token",
                 .wanted = "at least one token",
                 .remedy = "give a text; this model has no token that begins an empty one"});
  }
  if (static_cast<int64_t>(prompt.size()) > config.max_positions) {
    return fail({.what = "the prompt is longer than the model's context",
                 .where = "prompt",
                 .got = fmt::format("{} tokens", prompt.size()),
                 .wanted = fmt::format("at most {} tokens", config.max_positions),
                 .remedy = "shorten the prompt"});
  }
  for (const int32_t id : prompt) {
    if (id >= 0 && id < config.vocabulary_size) continue;
    return fail({.what = "a token of the prompt is outside the model's vocabulary",
                 .where = "prompt",
                 .got = fmt::format("token {}", id),
                 .wanted = fmt::format("tokens below {}", config.vocabulary_size),
                 .remedy = "use the tokenizer that belongs to the model"});
  }
  return {};
}

}  // namespace farthing
