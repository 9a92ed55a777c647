// The conversations and expected renderings of data/chat_templates (see the README there).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template.h"

namespace farthing::testing {

// A member of a map that is known to have it.
const ChatValue& member(const ChatValue& map, std::string_view name);

struct Conversation {
  std::string name;
  ChatInput input;
};

// Those of conversations.json, in order.
std::vector<Conversation> read_conversations();

// A conversation of conversations.json.
ChatInput conversation(std::string_view name);

// What jinja2 made of one of them.
struct Expected {
  std::string name;
  bool is_error = false;
  std::string text;             // the rendering, or the error's message
  std::string error_class;      // in Python
  std::vector<ChatSpan> spans;  // of {% generation %}
};

// A NAME.golden.
std::vector<Expected> read_golden(const std::string& path);

struct Snippet {
  std::string group;
  std::string source;
  bool is_error;
  std::string text;
};

// The lines of snippets.txt with what jinja2 makes of them, rendered without messages.
std::vector<Snippet> read_snippets();
// What they are rendered with.
ChatInput snippet_input();

}  // namespace farthing::testing
