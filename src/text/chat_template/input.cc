// Checks what the caller gave and names it as templates know it.
#include "text/chat_template/input.h"

#include <fmt/format.h>

#include "text/chat_template/values/limits.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

// Whether all texts of a value are UTF-8, and it holds data only.
bool is_data(const Value& value) {
  switch (value.kind()) {
    case Kind::kString:
      return is_valid_utf8(value.text());
    case Kind::kSequence:
      for (const Value& item : value.items()) {
        if (!is_data(item)) return false;
      }
      return true;
    case Kind::kMap:
      for (const auto& [key, member] : value.map().members()) {
        if (!is_data(key) || !is_data(member)) return false;
      }
      return true;
    case Kind::kUndefined:
    case Kind::kObject:
      return false;
    default:
      return true;
  }
}

Result<> check(const Value& value, const std::string& name, std::string_view where) {
  const auto refuse = [&](std::string got, std::string wanted) {
    return fail({.what = "the conversation cannot be given to the chat template",
                 .where = fmt::format("{}, variable {}", where, name),
                 .got = std::move(got),
                 .wanted = std::move(wanted),
                 .remedy = "correct the conversation"});
  };
  if (value.depth() > kDeepestValue) {
    return refuse(fmt::format("{} levels of lists and maps", value.depth()),
                  fmt::format("at most {}", kDeepestValue));
  }
  if (!is_data(value)) return refuse("text that is not UTF-8, or no data", "data in UTF-8");
  return {};
}

// transformers' _alias_reasoning_fields.
Value with_reasoning_names(const Value& message) {
  const Map& map = message.map();
  const Value* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const Value* found = map.find(Value(name));
    if (reasoning == nullptr && found != nullptr && !found->is(Kind::kNone)) reasoning = found;
  }
  if (reasoning == nullptr) return message;
  Map named;
  named.set(Value("thinking"), *reasoning);
  for (const auto& [key, value] : map.members()) named.set(key, value);
  named.set(Value("reasoning_content"), *reasoning);
  return Value(std::move(named));
}

}  // namespace

Result<std::vector<std::pair<std::string, Value>>> variables_of(const ChatInput& input,
                                                                std::string_view where) {
  List messages;
  for (const Value& message : input.messages) {
    if (!message.is(Kind::kMap)) {
      return fail({.what = "the conversation cannot be given to the chat template",
                   .where = fmt::format("message {}", messages.size()),
                   .got = fmt::format("a {}", message.type_name()),
                   .wanted = "a map with role and content",
                   .remedy = "correct the conversation"});
    }
    messages.push_back(with_reasoning_names(message));
  }
  std::vector<std::pair<std::string, Value>> variables;
  const auto add = [&](const std::string& name, Value value) -> Result<> {
    TRY(check(value, name, where));
    for (const auto& [other, unused] : variables) {
      if (other != name) continue;
      return fail({.what = "the chat template is given a variable twice",
                   .where = std::string(where),
                   .got = name,
                   .wanted = "each name once; messages, tools, documents and "
                             "add_generation_prompt have fields of their own",
                   .remedy = "leave one of them out"});
    }
    variables.emplace_back(name, std::move(value));
    return {};
  };
  TRY(add("messages", Value(std::move(messages))));
  TRY(add("tools", input.tools));
  TRY(add("documents", input.documents));
  TRY(add("add_generation_prompt", Value(input.add_generation_prompt)));
  for (const auto& [name, text] : input.special_tokens) TRY(add(name, Value(text)));
  for (const auto& [name, value] : input.variables) TRY(add(name, value));
  return variables;
}

}  // namespace farthing::jinja
