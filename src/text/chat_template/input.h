// The variables of a rendering, from what the caller gave.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/chat_template.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

// messages, tools, documents, add_generation_prompt, the special tokens and the other variables.
// As in transformers, a message's reasoning goes by the names reasoning_content and thinking,
// whichever of reasoning_content, thinking and reasoning it was given under. Fails on messages that
// are not maps, on texts that are not UTF-8, on values nested too deeply, on objects of another
// rendering, and on variables given twice.
Result<std::vector<std::pair<std::string, Value>>> variables_of(const ChatInput& input,
                                                                std::string_view where);

}  // namespace farthing::jinja
