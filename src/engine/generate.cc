// One request, step by step.
#include "engine/generate.h"

#include "base/progress.h"

namespace farthing {

Result<Generation> generate(Context& context, const Model& model, Request request,
                            const std::function<bool(const SampledToken&)>& on_token,
                            std::optional<KvCodec> kv_cache_dtype) {
  // A short step bounds the memory that a long prompt's activations take.
  const auto engine = TRY(Engine::create(context, model,
                                         {.kv_cache_dtype = kv_cache_dtype,
                                          .max_num_seqs = 1,
                                          .max_num_batched_tokens = 256,
                                          .enable_prefix_caching = false}));
  const RequestId id = TRY(engine->submit(std::move(request)));
  Generation out;
  const double started = now_seconds();
  double prompt_done = 0;
  while (!engine->idle()) {
    for (const RequestOutput& output : engine->step()) {
      if (output.error != nullptr) return fail(*output.error);
      if (prompt_done == 0) prompt_done = now_seconds();
      if (output.finished) out.finish = output.finish;
      if (!output.has_token) continue;
      out.tokens.push_back(output.token);
      if (on_token(output.token)) continue;
      out.finish = Finish::caller;
      engine->cancel(id);
    }
  }
  out.prompt_seconds = prompt_done - started;
  out.decode_seconds = now_seconds() - prompt_done;
  return out;
}

}  // namespace farthing
