// Attributes, elements, membership and iteration.
#include <fmt/format.h>

#include "text/chat_template/builtins/call.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/print.h"
#include "text/chat_template/values/refusal.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

template <class T>
T* object_as(const Value& value) {
  return value.is(Kind::kObject) ? dynamic_cast<T*>(&value.object()) : nullptr;
}

Value missing(const Value& value, const std::string& name) {
  return Value::undefined(
      fmt::format("'{}' object has no attribute '{}'", value.type_name(), name));
}

// A whole number as Python's index; a size where it is outside.
std::size_t index_of(std::int64_t index, std::size_t size) {
  if (index < 0) index += static_cast<std::int64_t>(size);
  return index < 0 ? size : static_cast<std::size_t>(index);
}

}  // namespace

Result<std::string> Interpreter::text(const Value& value) { return to_text(value, &budget_); }

Result<Value> Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (auto* loop = object_as<Loop>(value)) return loop_attribute(*loop, name);
  if (const Builtin* method = find_method(value.type_name(), name)) {
    const auto bound = std::make_shared<Function>();
    bound->builtin = method;
    bound->self = value;
    return Value(std::shared_ptr<Object>(bound));
  }
  const UnsupportedAttribute unsupported = unsupported_attribute(value.type_name(), name);
  if (unsupported == UnsupportedAttribute::kUnsafe) {
    return Value::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe", name, value.type_name()));
  }
  if (unsupported == UnsupportedAttribute::kMissing) {
    return refused("the chat template uses an attribute that is not supported",
                   fmt::format("'{}' of a {}", name, value.type_name()));
  }
  const auto* names = object_as<Namespace>(value);
  const Map* map = value.is(Kind::kMap) ? &value.map()
                   : names != nullptr   ? &names->members
                                        : nullptr;
  const Value* found = map != nullptr ? map->find(Value(name)) : nullptr;
  return found != nullptr ? *found : missing(value, name);
}

Result<Value> Interpreter::item(const Value& value, const Value& key) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (value.is(Kind::kMap)) {
    if (const Value* found = value.map().find(key)) return *found;
  } else if (is_integer(key) && value.is(Kind::kString)) {
    TRY(budget_.spend_bytes(value.text().size()));
    const std::string& text = value.text();
    const std::size_t size = character_count(text), place = index_of(integer_of(key), size);
    if (place < size) {
      const std::size_t byte = byte_of_character(text, place);
      std::string character(text.substr(byte, utf8_character_bytes(text[byte])));
      return value.is_markup() ? Value::markup(std::move(character)) : Value(std::move(character));
    }
  } else if (is_integer(key) && value.is(Kind::kSequence) && !value.is_view()) {
    const std::size_t place = index_of(integer_of(key), value.items().size());
    if (place < value.items().size()) return value.items()[place];
  }
  if (key.is(Kind::kString)) return attribute(value, key.text());
  return missing(value, TRY(text(key)));
}

Result<Value> Interpreter::loop_attribute(Loop& loop, const std::string& name) {
  if (name == "index0") return Value(loop.index0);
  if (name == "index") return Value(loop.index0 + 1);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(TRY(loop.peek()) == nullptr);
  if (name == "length") return Value(TRY(loop.length()));
  if (name == "revindex") return Value(TRY(loop.length()) - loop.index0);
  if (name == "revindex0") return Value(TRY(loop.length()) - loop.index0 - 1);
  if (name == "previtem") {
    return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
  }
  if (name == "nextitem") {
    const Value* next = TRY(loop.peek());
    return next == nullptr ? Value::undefined("there is no next item") : *next;
  }
  return refused("the chat template uses an attribute of loop that is not supported",
                 fmt::format("loop.{}", name),
                 "index, index0, first, last, length, revindex, revindex0, previtem or "
                 "nextitem");
}

Result<List> Interpreter::elements(const Value& value) {
  List items;
  if (value.is(Kind::kSequence)) {
    TRY(budget_.spend_new_items(value.items().size()));
    items = value.items();
  } else if (value.is(Kind::kMap)) {
    TRY(budget_.spend_new_items(value.map().size()));
    for (const auto& [key, unused] : value.map().members()) items.push_back(key);
  } else if (value.is(Kind::kString)) {
    TRY(budget_.spend_new_texts(value.text().size()));
    for (const std::string_view c : characters(value.text())) items.emplace_back(c);
  } else if (auto* iterator = object_as<Iterator>(value)) {
    TRY(iterator->start());
    TRY(budget_.spend_new_items(iterator->items.size()));
    items.assign(iterator->items.begin() + static_cast<std::ptrdiff_t>(iterator->next),
                 iterator->items.end());
    iterator->next = iterator->items.size();
  } else if (!value.is(Kind::kUndefined)) {
    return refused("the chat template goes through what has no elements",
                   fmt::format("a {}", value.type_name()), "a list, a dictionary or a text");
  }
  return items;
}

Result<bool> Interpreter::contains(const Value& container, const Value& element) {
  if (container.is(Kind::kString)) {
    if (!element.is(Kind::kString)) return operand_error("in", element, container);
    TRY(budget_.spend_bytes(container.text().size()));
    return container.text().find(element.text()) != std::string::npos;
  }
  if (container.is(Kind::kMap)) {
    if (element.is(Kind::kUndefined)) return false;
    if (!Map::can_be_key(element)) return operand_error("in", element, container);
    return container.map().find(element) != nullptr;
  }
  if (container.is(Kind::kSequence)) {
    for (const Value& item : container.items()) {
      if (TRY(equal(item, element, &budget_))) return true;
    }
    return false;
  }
  if (auto* iterator = object_as<Iterator>(container)) {
    TRY(iterator->start());
    while (iterator->next < iterator->items.size()) {
      if (TRY(equal(iterator->items[iterator->next++], element, &budget_))) return true;
    }
    return false;
  }
  if (container.is(Kind::kUndefined)) return false;
  return operand_error("in", element, container);
}

}  // namespace farthing::jinja
