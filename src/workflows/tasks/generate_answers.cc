// One engine for all items of a task.
#include "workflows/tasks/generate_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/engine.h"
#include "eval/tasks/tokenized_choice.h"

namespace farthing {
namespace {

struct Writing {
  size_t item;
  std::vector<int32_t> tokens = {};
};

Result<Request> request_of(const AnsweringModel& model, const TaskGeneration& generation,
                           const TaskItem& item) {
  const ModelConfig& config = model.model.config();
  Request out{.prompt = encode_prompt(model.tokenizer, item.prompt),
              .sampling = {.temperature = 0},
              .most_tokens = generation.most_tokens};
  const int64_t room = config.max_positions - generation.most_tokens;
  if (room <= 0) {
    return fail({.what = "the model's context is too short for this task",
                 .where = "generated answers",
                 .got = fmt::format("{} positions", config.max_positions),
                 .wanted = fmt::format("more than {}", generation.most_tokens),
                 .remedy = "measure tasks of multiple choice with this model"});
  }
  const int64_t beyond = static_cast<int64_t>(out.prompt.size()) - room;
  if (beyond > 0) out.prompt.erase(out.prompt.begin(), out.prompt.begin() + beyond);
  out.stop_tokens = stop_tokens_of(config, model.tokenizer);
  return out;
}

}  // namespace

std::string text_until(std::string text, std::span<const std::string_view> until) {
  for (const std::string_view end : until) text.resize(std::min(text.find(end), text.size()));
  return text;
}

Result<> generate_answers(Context& context, const AnsweringModel& model,
                          const TaskGeneration& generation, std::span<const TaskItem> items,
                          const ResponseSink& sink) {
  const auto engine = TRY(Engine::create(context, model.model, {.kv_cache_dtype = model.kv_cache}));
  std::map<RequestId, Writing> writing;
  for (size_t i = 0; i < items.size(); ++i) {
    Request request = TRY(request_of(model, generation, items[i]));
    writing[TRY(engine->submit(std::move(request)))] = {i};
  }
  while (!engine->idle()) {
    std::vector<RequestId> ended;
    for (const RequestOutput& output : engine->step()) {
      if (output.error != nullptr) return fail(*output.error);
      Writing& one = writing.at(output.id);
      if (output.has_token) one.tokens.push_back(output.token.id);
      const std::string text = model.tokenizer.decode(one.tokens);
      const std::string answer = text_until(text, generation.until);
      if (!output.finished && answer.size() == text.size()) continue;
      if (!output.finished) ended.push_back(output.id);  // a step's outputs end with the next call
      TRY(sink(one.item, {{}, answer}));
    }
    for (const RequestId id : ended) engine->cancel(id);
  }
  return {};
}

}  // namespace farthing
