// Three requests at once through the engine; prints tokens as they come.
//
//   build/release/examples/engine models/stories260k
#include <cstdio>
#include <map>

#include "base/float_mode.h"
#include "engine/engine.h"
#include "model/checkpoint.h"

namespace {

farthing::Result<> run(const char* path) {
  using namespace farthing;
  ContextOwner context(available_processors(), TRY(choose_isa()));
  const auto checkpoint = TRY(Checkpoint::open(path));
  const Tokenizer tokenizer = TRY(checkpoint->tokenizer());
  NoProgress progress;
  const auto model = TRY(build_model(context.get(), checkpoint->config(), *checkpoint, progress));
  const auto engine = TRY(Engine::create(context.get(), *model, {.kv_cache_dtype = KvCodec::int8}));

  std::map<RequestId, StreamDecoder> decoders;
  for (const char* prompt : {"Once upon a time", "The little dog", "Lily was sad because"}) {
    Request request;
    request.prompt = tokenizer.encode(prompt, {.add_special_tokens = true});
    request.sampling = {.temperature = 0.8f, .top_p = 0.95f, .seed = 1};
    request.most_tokens = 40;
    request.stop_tokens = stop_tokens_of(model->config(), tokenizer);
    request.stream = decoders.size();
    const RequestId id = TRY(engine->submit(std::move(request)));
    decoders.emplace(id, StreamDecoder(tokenizer, true));
    std::printf("request %d: %s\n", static_cast<int>(id), prompt);
  }
  while (!engine->idle()) {
    for (const RequestOutput& out : engine->step()) {
      if (out.error != nullptr) return fail(*out.error);
      const int id = static_cast<int>(out.id);
      if (out.has_token)
        std::printf("%d: %6.3f \"%s\"\n", id, out.token.log_probability,
                    decoders.at(out.id).feed(out.token.id).c_str());
      if (out.finished)
        std::printf("%d: ended by %s\n", id, std::string(finish_name(out.finish)).c_str());
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: engine MODEL\n");
    return 2;
  }
  farthing::set_float_mode();
  const auto done = run(argv[1]);
  if (!done) std::fprintf(stderr, "%s\n", done.error().text().c_str());
  return done ? 0 : 1;
}
