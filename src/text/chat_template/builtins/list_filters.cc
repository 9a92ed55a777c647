// Filters that pick from lists, order them, and make lists of other things.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

// Sorts by keys; fails on keys that have no order.
Result<List> sorted(Interpreter& in, const List& items, List keys, bool reverse) {
  std::vector<std::size_t> places(items.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::optional<Error> error;
  const auto less = [&](std::size_t a, std::size_t b) {
    if (error) return false;
    if (reverse) std::swap(a, b);
    const Result<int> compared = order(keys[a], keys[b], &in.budget());
    if (!compared) error = compared.error();
    return compared && *compared < 0;
  };
  std::stable_sort(places.begin(), places.end(), less);
  if (error) return fail(std::move(*error));
  List out;
  for (const std::size_t place : places) out.push_back(items[place]);
  return out;
}

// The smallest or largest element; the first of equal ones.
Result<Value> extreme(Call& call, int sign) {
  const List items = TRY(call.in.elements(call.self));
  const Value* best = nullptr;
  Value best_key;
  for (const Value& item : items) {
    Value key = call.some(1) != nullptr ? TRY(at_path(call.in, item, *call.some(1))) : item;
    if (!call.truth(0)) key = TRY(ignoring_case(key));
    if (best == nullptr || TRY(order(key, best_key, &call.in.budget())) * sign > 0) {
      best = &item;
      best_key = key;
    }
  }
  return best != nullptr ? *best : Value::undefined("no aggregated item, sequence was empty");
}

}  // namespace

Result<Value> ignoring_case(const Value& value) {
  if (!value.is(Kind::kString)) return value;
  return Value(TRY(change_case(value.text(), Case::kLower)));
}

Value make_iterator(std::function<Result<List>()> produce) {
  const auto iterator = std::make_shared<Iterator>();
  iterator->produce = std::move(produce);
  return Value(std::shared_ptr<Object>(iterator));
}

Result<Value> at_path(Interpreter& in, const Value& item, const Value& path) {
  if (!path.is(Kind::kString)) return in.item(item, path);
  Value found = item;
  std::string_view rest = path.text();
  while (true) {
    const std::size_t end = std::min(rest.find('.'), rest.size());
    const std::string part(rest.substr(0, end));
    const bool is_index = !part.empty() && part.size() < 10 &&
                          part.find_first_not_of("0123456789") == std::string::npos;
    found = TRY(in.item(found, is_index ? Value(std::stoll(part)) : Value(part)));
    if (end == rest.size()) return found;
    rest.remove_prefix(end + 1);
  }
}

Result<Value> filter_length(Call& call) {
  if (call.self.is(Kind::kString)) {
    return Value(static_cast<std::int64_t>(character_count(call.self.text())));
  }
  if (call.self.is(Kind::kObject)) {
    if (auto* loop = dynamic_cast<Loop*>(&call.self.object())) return Value(TRY(loop->length()));
  }
  if (call.self.is(Kind::kMap)) return Value(static_cast<std::int64_t>(call.self.map().size()));
  if (call.self.is(Kind::kSequence)) {
    return Value(static_cast<std::int64_t>(call.self.items().size()));
  }
  if (call.self.is(Kind::kUndefined)) return Value(0);
  return call.refuse(fmt::format("a {}", call.self.type_name()), "a text, a list or a dictionary");
}

Result<Value> filter_default(Call& call) {
  const bool take_default =
      call.self.is(Kind::kUndefined) || (call.truth(1) && !is_true(call.self));
  if (!take_default) return call.self;
  return call.given(0) != nullptr ? *call.given(0) : Value("");
}

Result<Value> filter_list(Call& call) { return Value(TRY(call.in.elements(call.self))); }

Result<Value> filter_first(Call& call) {
  if (call.self.is(Kind::kObject)) {
    if (auto* iterator = dynamic_cast<Iterator*>(&call.self.object())) {
      TRY(iterator->start());
      if (iterator->next < iterator->items.size()) return iterator->items[iterator->next++];
    }
  }
  const List items = TRY(call.in.elements(call.self));
  return items.empty() ? Value::undefined("no first item, sequence was empty") : items.front();
}

Result<Value> filter_last(Call& call) {
  if (call.self.is(Kind::kObject)) {
    return call.refuse(fmt::format("a {}", call.self.type_name()), "a list; use the filter list");
  }
  const List items = TRY(call.in.elements(call.self));
  return items.empty() ? Value::undefined("no last item, sequence was empty") : items.back();
}

Result<Value> filter_reverse(Call& call) {
  List items = TRY(call.in.elements(call.self));
  std::reverse(items.begin(), items.end());
  if (call.self.is(Kind::kString)) {
    std::string text;
    for (const Value& item : items) text += item.text();
    return call.self.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
  }
  if (call.self.is(Kind::kObject)) return Value(std::move(items));
  return make_iterator([items = std::move(items)]() -> Result<List> { return items; });
}

Result<Value> filter_items(Call& call) {
  return make_iterator([self = call.self]() -> Result<List> {
    List items;
    if (self.is(Kind::kUndefined)) return items;
    if (!self.is(Kind::kMap)) {
      return refused("the chat template uses the filter items on what is no dictionary",
                     fmt::format("a {}", self.type_name()), "a dictionary");
    }
    for (const auto& [key, value] : self.map().members()) {
      items.push_back(Value::tuple({key, value}));
    }
    return items;
  });
}

Result<Value> filter_dictsort(Call& call) {
  if (call.self.is(Kind::kUndefined)) return undefined_error(call.self);
  if (!call.self.is(Kind::kMap)) {
    return call.refuse(fmt::format("a {}", call.self.type_name()), "a dictionary");
  }
  const std::string by = call.given(1) != nullptr ? TRY(call.text(1)) : "key";
  if (by != "key" && by != "value")
    return call.refuse(fmt::format("by='{}'", by), "'key' or 'value'");
  List items, keys;
  TRY(call.in.budget().spend_new_texts(call.self.map().size()));  // each is a tuple
  for (const auto& [key, value] : call.self.map().members()) {
    const Value& what = by == "key" ? key : value;
    keys.push_back(call.truth(0) ? what : TRY(ignoring_case(what)));
    items.push_back(Value::tuple({key, value}));
  }
  return Value(TRY(sorted(call.in, items, std::move(keys), call.truth(2))));
}

Result<Value> filter_sort(Call& call) {
  const List items = TRY(call.in.elements(call.self));
  TRY(call.in.budget().spend_new_texts(items.size()));  // each has a list of keys
  List keys;
  for (const Value& item : items) {
    List parts;
    if (const Value* attribute = call.some(2); attribute == nullptr) {
      parts.push_back(item);
    } else if (!attribute->is(Kind::kString)) {
      parts.push_back(TRY(at_path(call.in, item, *attribute)));
    } else {
      std::string_view rest = attribute->text();
      while (true) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        parts.push_back(TRY(at_path(call.in, item, Value(rest.substr(0, end)))));
        if (end == rest.size()) break;
        rest.remove_prefix(end + 1);
      }
    }
    if (!call.truth(1)) {
      for (Value& part : parts) part = TRY(ignoring_case(part));
    }
    keys.push_back(Value(std::move(parts)));
  }
  return Value(TRY(sorted(call.in, items, std::move(keys), call.truth(0))));
}

Result<Value> filter_unique(Call& call) {
  const bool case_sensitive = call.truth(0);
  const Value path = call.some(1) != nullptr ? *call.some(1) : Value();
  return make_iterator([&in = call.in, self = call.self, case_sensitive, path]() -> Result<List> {
    List out;
    Map seen;
    for (const Value& item : TRY(in.elements(self))) {
      TRY(in.budget().spend_new_texts(1));
      Value key = path.is(Kind::kNone) ? item : TRY(at_path(in, item, path));
      if (!case_sensitive) key = TRY(ignoring_case(key));
      if (!Map::can_be_key(key)) {
        return refused("the chat template uses the filter unique on what is not supported",
                       fmt::format("a {}", key.type_name()), "texts, numbers or none");
      }
      if (seen.find(key) != nullptr) continue;
      seen.set(key, Value());
      out.push_back(item);
    }
    return out;
  });
}

Result<Value> filter_min(Call& call) { return extreme(call, -1); }
Result<Value> filter_max(Call& call) { return extreme(call, 1); }

Result<Value> filter_sum(Call& call) {
  Value total = call.given(1) != nullptr ? *call.given(1) : Value(0);
  if (total.is(Kind::kString)) return call.refuse("a text", "a number");
  for (const Value& item : TRY(call.in.elements(call.self))) {
    const Value part = call.some(0) != nullptr ? TRY(at_path(call.in, item, *call.some(0))) : item;
    total = TRY(arithmetic(Operator::kAdd, total, part, &call.in.budget()));
  }
  return total;
}

}  // namespace farthing::jinja
