// Generating text: prompt in, tokens out one by one.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/sampling.h"
#include "model/model.h"

namespace farthing {

struct GenerateOptions {
  SamplingParameters sampling = {};
  int64_t most_tokens = 128;
  std::vector<int32_t> stop_tokens = {};  // end the text; not part of it
  uint64_t stream = 0;                    // which request it is, for the random numbers
};

enum class Finish { stop_token, most_tokens, context_full, caller };
std::string_view finish_name(Finish finish);  // "stop_token", ...

struct Generation {
  std::vector<SampledToken> tokens;  // without the stop token
  Finish finish = Finish::most_tokens;
  double prompt_seconds = 0, decode_seconds = 0;
};

// Runs the prompt and then token after token. `on_token` sees each as it is made; false ends the
// generation. Fails on an empty prompt, on ids outside the vocabulary, on a prompt that fills the
// model's context, on NaN logits, and on a model whose results depend on the batch.
Result<Generation> generate(Context& context, const Model& model, std::span<const int32_t> prompt,
                            const GenerateOptions& options,
                            const std::function<bool(const SampledToken&)>& on_token);

}  // namespace farthing
