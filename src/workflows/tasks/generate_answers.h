// Answers that a model writes, many at once.
#pragma once

#include "workflows/tasks/answer_task.h"

namespace farthing {

// Continues each item's prompt greedily until a text of `until` or the end of the text, which are
// not part of the answer, or for `most_tokens`. A prompt that leaves no room for these loses its
// beginning, as in lm-evaluation-harness. Answers are handed out as they end. Fails as Engine does,
// and where the model's context has no room for a prompt.
Result<> generate_answers(Context& context, const AnsweringModel& model,
                          const TaskGeneration& generation, std::span<const TaskItem> items,
                          const ResponseSink& sink);

// The text in front of the first place where one of `until` begins.
std::string text_until(std::string text, std::span<const std::string_view> until);

}  // namespace farthing
