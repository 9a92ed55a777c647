// JsonWriter: builds a JSON text piece by piece.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// Writes one JSON value. Keys and values must come in a legal order; a wrong order is a bug of the
// caller (CHECK). Bytes that are not UTF-8 become U+FFFD; NaN and infinities become null.
class JsonWriter {
 public:
  // `pretty`: one member a line, indented by two spaces; else no spaces at all.
  explicit JsonWriter(bool pretty = false) : pretty_(pretty) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::same_as<bool> auto truth) { return literal(truth ? "true" : "false"); }
  JsonWriter& value(std::signed_integral auto number) {
    return literal(std::to_string(static_cast<int64_t>(number)));
  }
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) {
    return literal(std::to_string(static_cast<uint64_t>(number)));
  }
  // The shortest digits that read back as the same float or double; always with a point or an
  // exponent.
  JsonWriter& value(float number);
  JsonWriter& value(double number);
  JsonWriter& null() { return literal("null"); }
  // A value that is JSON already.
  JsonWriter& raw(std::string_view json) { return literal(json); }

  // key() and value() in one.
  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }

  // The finished text; every object and array must be closed.
  std::string take();

 private:
  struct Level {
    char close;
    bool empty = true;
    bool key_pending = false;
  };
  JsonWriter& literal(std::string_view text);
  JsonWriter& open(char opening, char closing);
  JsonWriter& close(char closing);
  void before_value();
  void new_line();
  void quote(std::string_view text);

  bool pretty_;
  bool finished_ = false;
  std::string out_;
  std::vector<Level> levels_;
};

}  // namespace farthing
