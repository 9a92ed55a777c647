// Value: what a template computes with, Python's values as far as chat templates see them.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace farthing::jinja {

class Value;
class Map;
struct Object;
using List = std::vector<Value>;

enum class Kind {
  kNone,
  kBoolean,
  kInteger,
  kFloat,
  kString,
  kSequence,
  kMap,
  kUndefined,
  kObject
};

// Immutable and cheap to copy: strings, lists and maps are shared. Objects (objects.h) are not
// immutable; only the interpreter makes them.
class Value {
 public:
  Value() = default;  // none
  Value(std::same_as<bool> auto truth) : data_(truth) {}
  Value(std::signed_integral auto number) : data_(static_cast<std::int64_t>(number)) {}
  Value(double number) : data_(number) {}
  Value(std::string text);
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List items);
  Value(Map members);
  Value(std::shared_ptr<Object> object);

  static Value tuple(List items);
  // `why` is the error where it is used for anything but printing and testing.
  static Value undefined(std::string why);
  // Text that the filter `safe` has marked: adding to it escapes HTML.
  static Value markup(std::string text);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_markup() const;

  // Each needs the kind that it names.
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return std::get<std::int64_t>(data_); }
  double real() const { return std::get<double>(data_); }
  const std::string& text() const;
  const List& items() const;
  const Map& map() const;
  Object& object() const { return *std::get<std::shared_ptr<Object>>(data_); }
  std::shared_ptr<Object> share_object() const { return std::get<std::shared_ptr<Object>>(data_); }
  const std::string& why_undefined() const;

  // Python's kinds of sequence; a dictionary's views cannot be indexed.
  enum class SequenceType { kList, kTuple, kRange, kKeys, kValues, kItems };
  static Value sequence(List items, SequenceType type);
  SequenceType sequence_type() const;
  bool is_list() const { return is(Kind::kSequence) && sequence_type() == SequenceType::kList; }
  bool is_tuple() const { return is(Kind::kSequence) && sequence_type() == SequenceType::kTuple; }
  bool is_view() const;

  // Whether the two are one object, as Python's `is` tells; equal numbers and texts count as one.
  bool same(const Value& other) const;

  // Levels of lists and maps: 0 for what is neither.
  std::uint32_t depth() const;

  // The name of its type in Python: "str", "dict".
  std::string_view type_name() const;

  struct Text {
    std::string bytes;
    bool markup = false;
  };
  struct Sequence {
    List items;
    SequenceType type;
    std::uint32_t depth;
  };
  struct Undefined {
    std::shared_ptr<const std::string> why;
  };

 private:
  // The order is that of Kind.
  std::variant<std::monostate, bool, std::int64_t, double, std::shared_ptr<const Text>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Map>, Undefined,
               std::shared_ptr<Object>>
      data_;
};

// A dictionary in the order of insertion. Keys are what Python hashes, without tuples: none,
// booleans, numbers and strings; 1, 1.0 and true are one key.
class Map {
 public:
  using Member = std::pair<Value, Value>;

  Map() = default;
  Map(std::initializer_list<Member> members);

  static bool can_be_key(const Value& key);
  // Replaces the value of a key that is there already. `key` must be one that can_be_key.
  void set(const Value& key, Value value);
  // Null where there is none, or where `key` cannot be a key.
  const Value* find(const Value& key) const;

  const std::vector<Member>& members() const { return members_; }
  std::size_t size() const { return members_.size(); }
  bool empty() const { return members_.empty(); }
  std::uint32_t depth() const { return depth_; }

 private:
  std::vector<Member> members_;
  std::unordered_map<std::string, std::size_t> places_;
  std::uint32_t depth_ = 1;
};

// What is neither data nor immutable: namespaces, loops, macros, methods, functions, iterators.
struct Object {
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
};

}  // namespace farthing::jinja
