// Parsing and rendering a chat template; the variables are those that transformers gives it.
#include "text/chat_template.h"

#include <fmt/format.h>

#include "text/chat_template/input.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/syntax/parser.h"

namespace farthing {

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string_view where) {
  return ChatTemplate(TRY(jinja::parse_template(source, where)));
}

Result<std::string> ChatTemplate::render(const ChatInput& input) const {
  jinja::Interpreter interpreter(*tree_, input.now ? &*input.now : nullptr);
  return interpreter.render(TRY(jinja::variables_of(input, tree_->where)));
}

}  // namespace farthing
