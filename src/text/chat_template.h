// ChatTemplate: a conversation as the text that a model reads, by the model's own Jinja template.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/chat_template/values/value.h"

namespace farthing {

namespace jinja {
struct Template;
}

// None, booleans, numbers, texts, lists and maps (text/chat_template/values/value.h).
using ChatValue = jinja::Value;
using ChatMap = jinja::Map;

// A JSON text as a value; members keep their order. `where` names it in errors.
Result<ChatValue> chat_value_from_json(std::string_view json_text, std::string_view where);

// What strftime_now tells a template: the caller's local time. The library reads no clock.
struct ChatTime {
  int year, month, day;  // from 1
  int hour = 0, minute = 0, second = 0;
};

// What a template is rendered with.
struct ChatInput {
  // Maps with `role`, mostly `content`, and whatever else the template knows (tool_calls,
  // reasoning_content, ...).
  std::vector<ChatValue> messages;
  ChatValue tools = {};      // a list of JSON schemas, or none
  ChatValue documents = {};  // a list of maps, or none
  // Ends with what introduces the assistant's next message.
  bool add_generation_prompt = false;
  // bos_token, eos_token and so on, with their texts; leave out those that the model lacks.
  std::vector<std::pair<std::string, std::string>> special_tokens = {};
  // Any other variable: enable_thinking, ...
  std::vector<std::pair<std::string, ChatValue>> variables = {};
  std::optional<ChatTime> now = {};
};

// A part of a rendering, in bytes.
struct ChatSpan {
  std::size_t begin, end;
  bool operator==(const ChatSpan&) const = default;
};

struct ChatRendering {
  std::string text;
  std::vector<ChatSpan> assistant;  // in order, none of them overlapping
};

enum class ChatSpans { kAllMessages, kLastMessage };

// Immutable and thread-safe; copies share everything.
class ChatTemplate {
 public:
  // Fails on what is not Jinja, and on constructs outside the subset of docs/chat_templates.md,
  // naming the construct, its line and its column.
  static Result<ChatTemplate> parse(std::string_view source, std::string_view where);

  // What transformers' apply_chat_template gives, byte for byte. Fails where the template refuses
  // the conversation (raise_exception), on constructs outside the subset, and at the limits.
  Result<std::string> render(const ChatInput& input) const;

  // The rendering and which parts of it the assistant wrote: what training computes a loss on.
  // By the template's {% generation %} blocks if it has any; otherwise found by rendering the
  // beginnings of the conversation, and an error where that does not tell (see
  // docs/chat_templates.md).
  Result<ChatRendering> render_with_spans(const ChatInput& input,
                                          ChatSpans which = ChatSpans::kAllMessages) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const jinja::Template> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const jinja::Template> tree_;
};

}  // namespace farthing
