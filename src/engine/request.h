// Request: what the engine is asked for, and how its text can end.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/sampling.h"
#include "model/config.h"
#include "text/tokenizer.h"

namespace farthing {

struct Request {
  std::vector<int32_t> prompt;
  SamplingParameters sampling = {};
  int64_t most_tokens = 128;
  std::vector<int32_t> stop_tokens = {};  // end the text; not part of it
  uint64_t stream = 0;                    // which request it is, for the random numbers
  bool prompt_log_probabilities = false;
};

enum class Finish { stop_token, most_tokens, context_full, caller };
std::string_view finish_name(Finish finish);  // "stop_token", ...

// What ends a text: the model's stop tokens, and the tokenizer's EOS.
std::vector<int32_t> stop_tokens_of(const ModelConfig& config, const Tokenizer& tokenizer);

// Fails on an empty prompt, on more tokens than the context has positions, and on ids outside the
// vocabulary.
Result<> check_prompt(std::span<const int32_t> prompt, const ModelConfig& config);

// Of a prompt that the check lets pass: so many tokens can be made of those that are wanted. The
// last one is never fed back, so it is one more than the context's rest.
inline int64_t room_for(const Request& request, const ModelConfig& config) {
  const int64_t room = config.max_positions - static_cast<int64_t>(request.prompt.size()) + 1;
  return request.most_tokens < room ? request.most_tokens : room;
}

}  // namespace farthing
