// The global functions.
#include "text/chat_template/builtins/functions.h"

#include <fmt/format.h>

#include "text/chat_template.h"
#include "text/chat_template/builtins/strftime.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/limits.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

// The members that dict(...) and namespace(...) are called with: of a dictionary or of pairs, then
// the keyword arguments.
Result<Map> members(Call& call) {
  Map map;
  if (call.positional.size() > 1) return call.refuse("several arguments", "one dictionary");
  if (!call.positional.empty()) {
    const Value& from = call.positional[0];
    if (from.is(Kind::kMap)) {
      TRY(call.in.budget().spend_new_texts(from.map().size()));
      map = from.map();
    } else {
      for (const Value& pair : TRY(call.in.elements(from))) {
        const List both = TRY(call.in.elements(pair));
        if (both.size() != 2 || !Map::can_be_key(both[0])) {
          return call.refuse("a list of other things", "pairs of key and value");
        }
        map.set(both[0], both[1]);
      }
    }
  }
  for (const auto& [name, value] : call.named) map.set(Value(name), value);
  return map;
}

}  // namespace

Result<Value> function_dict(Call& call) { return Value(TRY(members(call))); }

Result<Value> function_namespace(Call& call) {
  Map map = TRY(members(call));
  for (const auto& [name, value] : map.members()) {
    if (name.is(Kind::kString) && name.text().starts_with('_')) {
      return call.refuse(name.text(), "attributes without underscore in front");
    }
  }
  return call.in.new_namespace(std::move(map));
}

Result<Value> function_raise_exception(Call& call) {
  return refused("the chat template refuses the conversation", TRY(call.in.text(*call.given(0))));
}

Result<Value> function_range(Call& call) {
  const bool has_begin = call.given(1) != nullptr;
  const std::int64_t begin = has_begin ? TRY(call.integer(0, 0)) : 0;
  const std::int64_t end = TRY(call.integer(has_begin ? 1 : 0, 0));
  const std::int64_t step = TRY(call.integer(2, 1));
  if (step == 0) return call.refuse("a step of 0", "another step");
  List items;
  std::int64_t i = begin;
  while (step > 0 ? i < end : i > end) {
    if (static_cast<std::int64_t>(items.size()) == kLongestRange) {
      return call.refuse(fmt::format("a range from {} to {}", begin, end),
                         fmt::format("at most {} numbers", kLongestRange));
    }
    TRY(call.in.budget().spend_new_items(1));
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::sequence(std::move(items), Value::SequenceType::kRange);
}

Result<Value> function_strftime_now(Call& call) {
  const std::string format = TRY(call.text(0));
  if (call.in.now() == nullptr) {
    return refused("the chat template asks for the time, which was not given",
                   fmt::format("strftime_now('{}')", format),
                   "a time in the input (ChatInput::now)");
  }
  return Value(TRY(formatted_time(*call.in.now(), format)));
}

}  // namespace farthing::jinja
