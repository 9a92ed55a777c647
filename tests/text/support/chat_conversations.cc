// Readers of conversations.json and of the golden files.
#include "text/support/chat_conversations.h"

#include "base/check.h"
#include "text/support/fixtures.h"

namespace farthing::testing {
namespace {

ChatValue read_json(const std::string& path) {
  Result<ChatValue> value = chat_value_from_json(read_whole_file(path), path);
  if (!value) std::fprintf(stderr, "%s\n", value.error().text().c_str());
  CHECK(value.has_value());
  return *value;
}

int number(const ChatValue& map, const char* name) {
  return static_cast<int>(member(map, name).integer());
}

}  // namespace

const ChatValue& member(const ChatValue& map, std::string_view name) {
  const ChatValue* found = map.map().find(ChatValue(name));
  CHECK(found != nullptr);
  return *found;
}

std::vector<Conversation> read_conversations() {
  const ChatValue file =
      read_json(FARTHING_SOURCE_DIR "/tests/text/data/chat_templates/conversations.json");
  const ChatValue& now = member(file, "now");
  std::vector<Conversation> conversations;
  for (const auto& [name, value] : member(file, "conversations").map().members()) {
    Conversation made{.name = name.text(), .input = {}};
    ChatInput& input = made.input;
    for (const auto& [key, field] : value.map().members()) {
      if (key.text() == "messages") input.messages = field.items();
      if (key.text() == "tools") input.tools = field;
      if (key.text() == "documents") input.documents = field;
      if (key.text() == "add_generation_prompt") input.add_generation_prompt = field.boolean();
      if (key.text() != "variables") continue;
      for (const auto& [variable, content] : field.map().members()) {
        input.variables.emplace_back(variable.text(), content);
      }
    }
    for (const auto& [token, text] : member(file, "special_tokens").map().members()) {
      input.special_tokens.emplace_back(token.text(), text.text());
    }
    input.now = ChatTime{number(now, "year"), number(now, "month"),  number(now, "day"),
                         number(now, "hour"), number(now, "minute"), number(now, "second")};
    conversations.push_back(std::move(made));
  }
  CHECK(!conversations.empty());
  return conversations;
}

ChatInput conversation(std::string_view name) {
  for (Conversation& made : read_conversations()) {
    if (made.name == name) return std::move(made.input);
  }
  CHECK(!"a conversation of that name");
  return {};
}

std::vector<Expected> read_golden(const std::string& path) {
  std::vector<Expected> all;
  const ChatValue file = read_json(path);
  for (const auto& [name, value] : file.map().members()) {
    Expected made{.name = name.text(), .text = {}, .error_class = {}, .spans = {}};
    for (const auto& [key, field] : value.map().members()) {
      if (key.text() == "error") made.is_error = true;
      if (key.text() == "text" || key.text() == "error") made.text = field.text();
      if (key.text() == "class") made.error_class = field.text();
      if (key.text() != "spans") continue;
      for (const ChatValue& span : field.items()) {
        made.spans.push_back({static_cast<std::size_t>(span.items()[0].integer()),
                              static_cast<std::size_t>(span.items()[1].integer())});
      }
    }
    all.push_back(std::move(made));
  }
  CHECK(!all.empty());
  return all;
}

std::vector<Snippet> read_snippets() {
  std::vector<Snippet> all;
  const ChatValue file =
      read_json(FARTHING_SOURCE_DIR "/tests/text/data/chat_templates/snippets.golden");
  for (const ChatValue& entry : file.items()) {
    const jinja::List& parts = entry.items();
    const bool is_error = parts[2].is(jinja::Kind::kNone);
    all.push_back({parts[0].text(), parts[1].text(), is_error, is_error ? "" : parts[2].text()});
  }
  CHECK(all.size() > 100);
  return all;
}

ChatInput snippet_input() {
  ChatInput input = conversation("no_messages");
  input.add_generation_prompt = false;
  return input;
}

}  // namespace farthing::testing
