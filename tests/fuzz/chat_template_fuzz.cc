// Fuzz target: a chat template that holds any bytes, rendered with a small conversation; a text
// behind a NUL byte is read as JSON and given to the template as a variable.
#include "base/check.h"
#include "text/chat_template.h"
#include "text/unicode/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using farthing::ChatMap;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t end = all.find('\0');
  farthing::ChatInput input;
  input.messages = {ChatMap{{"role", "system"}, {"content", " be terse\n"}},
                    ChatMap{{"role", "user"}, {"content", "h\xC3\xA9llo"}},
                    ChatMap{{"role", "assistant"}, {"content", "<think>x</think>y"}}};
  input.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  input.now = farthing::ChatTime{2026, 3, 9};
  if (end != std::string_view::npos) {
    const auto value = farthing::chat_value_from_json(all.substr(end + 1), "input");
    if (value) input.tools = *value;
  }
  const auto chat = farthing::ChatTemplate::parse(all.substr(0, end), "input");
  if (!chat) return 0;
  const auto text = chat->render(input);
  if (!text) {
    CHECK(!text.error().where.empty());
    return 0;
  }
  CHECK(farthing::is_valid_utf8(*text));
  const auto rendering = chat->render_with_spans(input);
  if (!rendering) return 0;
  CHECK(rendering->text == *text);
  std::size_t last = 0;
  for (const farthing::ChatSpan& span : rendering->assistant) {
    CHECK(span.begin >= last && span.begin < span.end && span.end <= text->size());
    last = span.end;
  }
  return 0;
}
