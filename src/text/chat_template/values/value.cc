// How values are made, and what they say about themselves.
#include "text/chat_template/values/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace farthing::jinja {
namespace {

std::uint32_t depth_of(const List& items) {
  std::uint32_t deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  return deepest + 1;
}

// One text for each key that Python holds different.
std::string place_of(const Value& key) {
  switch (key.kind()) {
    case Kind::kNone:
      return "none";
    case Kind::kBoolean:
      return key.boolean() ? "i1" : "i0";
    case Kind::kInteger:
      return fmt::format("i{}", key.integer());
    case Kind::kFloat: {
      const double number = key.real();
      if (number == std::floor(number) && std::abs(number) < 0x1p53) {
        return fmt::format("i{}", static_cast<std::int64_t>(number));
      }
      return fmt::format("f{:a}", number);
    }
    default:
      return fmt::format("s{}", key.text());
  }
}

}  // namespace

Value::Value(std::string text) : data_(std::make_shared<const Text>(Text{std::move(text)})) {}
Value::Value(List items) : Value(sequence(std::move(items), SequenceType::kList)) {}
Value::Value(Map members) : data_(std::make_shared<const Map>(std::move(members))) {}
Value::Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}

Value Value::tuple(List items) { return sequence(std::move(items), SequenceType::kTuple); }

Value Value::sequence(List items, SequenceType type) {
  Value value;
  const std::uint32_t depth = depth_of(items);
  value.data_ = std::make_shared<const Sequence>(Sequence{std::move(items), type, depth});
  return value;
}

Value Value::undefined(std::string why) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(why))};
  return value;
}

Value Value::markup(std::string text) {
  Value value;
  value.data_ = std::make_shared<const Text>(Text{std::move(text), true});
  return value;
}

bool Value::is_markup() const {
  return is(Kind::kString) && std::get<std::shared_ptr<const Text>>(data_)->markup;
}

const std::string& Value::text() const {
  return std::get<std::shared_ptr<const Text>>(data_)->bytes;
}
const List& Value::items() const { return std::get<std::shared_ptr<const Sequence>>(data_)->items; }
const Map& Value::map() const { return *std::get<std::shared_ptr<const Map>>(data_); }
const std::string& Value::why_undefined() const { return *std::get<Undefined>(data_).why; }
Value::SequenceType Value::sequence_type() const {
  return std::get<std::shared_ptr<const Sequence>>(data_)->type;
}

bool Value::is_view() const {
  if (!is(Kind::kSequence)) return false;
  const SequenceType type = sequence_type();
  return type == SequenceType::kKeys || type == SequenceType::kValues ||
         type == SequenceType::kItems;
}

bool Value::same(const Value& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kNone:
      return true;
    case Kind::kBoolean:
      return boolean() == other.boolean();
    case Kind::kInteger:
      return integer() == other.integer();
    case Kind::kFloat:
      return real() == other.real();
    case Kind::kString:
      return text() == other.text();
    case Kind::kSequence:
      return &items() == &other.items();
    case Kind::kMap:
      return &map() == &other.map();
    case Kind::kUndefined:
      return &why_undefined() == &other.why_undefined();
    case Kind::kObject:
      return &object() == &other.object();
  }
  return false;
}

std::uint32_t Value::depth() const {
  if (is(Kind::kSequence)) return std::get<std::shared_ptr<const Sequence>>(data_)->depth;
  if (is(Kind::kMap)) return map().depth();
  return 0;
}

std::string_view Value::type_name() const {
  switch (kind()) {
    case Kind::kNone:
      return "NoneType";
    case Kind::kBoolean:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return is_markup() ? "Markup" : "str";
    case Kind::kMap:
      return "dict";
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kObject:
      return object().type_name();
    case Kind::kSequence:
      break;
  }
  switch (sequence_type()) {
    case SequenceType::kList:
      return "list";
    case SequenceType::kTuple:
      return "tuple";
    case SequenceType::kRange:
      return "range";
    case SequenceType::kKeys:
      return "dict_keys";
    case SequenceType::kValues:
      return "dict_values";
    case SequenceType::kItems:
      return "dict_items";
  }
  return "";
}

Map::Map(std::initializer_list<Member> members) {
  for (const auto& [key, value] : members) set(key, value);
}

bool Map::can_be_key(const Value& key) {
  return key.is(Kind::kString) || key.is(Kind::kNone) || key.is(Kind::kBoolean) ||
         key.is(Kind::kInteger) || key.is(Kind::kFloat);
}

void Map::set(const Value& key, Value value) {
  CHECK(can_be_key(key));
  depth_ = std::max(depth_, value.depth() + 1);
  const auto [place, added] = places_.try_emplace(place_of(key), members_.size());
  if (added) {
    members_.emplace_back(key, std::move(value));
  } else {
    members_[place->second].second = std::move(value);
  }
}

const Value* Map::find(const Value& key) const {
  if (!can_be_key(key)) return nullptr;
  const auto place = places_.find(place_of(key));
  return place == places_.end() ? nullptr : &members_[place->second].second;
}

}  // namespace farthing::jinja
