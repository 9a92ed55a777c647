// Generating one text: a request of an engine of its own.
#pragma once

#include <functional>

#include "engine/engine.h"

namespace farthing {

struct Generation {
  std::vector<SampledToken> tokens;  // without the stop token
  Finish finish = Finish::most_tokens;
  double prompt_seconds = 0, decode_seconds = 0;  // up to the first token, and from there
};

// Runs the prompt and then token after token. `on_token` sees each as it is made; false ends the
// generation. The KV cache has room for the model's whole context. Fails as Engine::create and
// Engine::submit do, and on NaN logits.
Result<Generation> generate(Context& context, const Model& model, Request request,
                            const std::function<bool(const SampledToken&)>& on_token,
                            std::optional<KvCodec> kv_cache_dtype = std::nullopt);

}  // namespace farthing
