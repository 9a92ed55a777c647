// Methods of Python's dict, list and tuple.
#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/compare.h"

namespace farthing::jinja {

Result<Value> method_copy(Call& call) { return call.self; }

Result<Value> method_get(Call& call) {
  const Value& key = *call.given(0);
  if (!Map::can_be_key(key) && !key.is(Kind::kUndefined)) {
    return call.refuse("a key that is a list or the like", "a text, a number or none");
  }
  if (const Value* found = call.self.map().find(key)) return *found;
  return call.given(1) != nullptr ? *call.given(1) : Value();
}

Result<Value> method_keys(Call& call) {
  List keys;
  TRY(call.in.budget().spend_new_items(call.self.map().size()));
  for (const auto& [key, value] : call.self.map().members()) keys.push_back(key);
  return Value::sequence(std::move(keys), Value::SequenceType::kKeys);
}

Result<Value> method_values(Call& call) {
  List values;
  TRY(call.in.budget().spend_new_items(call.self.map().size()));
  for (const auto& [key, value] : call.self.map().members()) values.push_back(value);
  return Value::sequence(std::move(values), Value::SequenceType::kValues);
}

Result<Value> method_items(Call& call) {
  List items;
  TRY(call.in.budget().spend_new_texts(call.self.map().size()));  // each is a tuple
  for (const auto& [key, value] : call.self.map().members()) {
    items.push_back(Value::tuple({key, value}));
  }
  return Value::sequence(std::move(items), Value::SequenceType::kItems);
}

Result<Value> method_count_items(Call& call) {
  std::int64_t count = 0;
  for (const Value& item : call.self.items()) {
    count += TRY(equal(item, *call.given(0), &call.in.budget()));
  }
  return Value(count);
}

Result<Value> method_index_item(Call& call) {
  std::int64_t place = 0;
  for (const Value& item : call.self.items()) {
    if (TRY(equal(item, *call.given(0), &call.in.budget()))) return Value(place);
    ++place;
  }
  return call.refuse("a value that is not there", "an element");
}

}  // namespace farthing::jinja
