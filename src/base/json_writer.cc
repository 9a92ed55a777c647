// JsonWriter: commas, indentation, escapes and numbers.
#include "base/json_writer.h"

#include <charconv>
#include <cmath>

#include "base/check.h"

namespace farthing {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text`, or 0 (Unicode 15, table 3-7).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(i < text.size() ? text[i] : 0);
  };
  const auto continues = [&](size_t i, int low = 0x80, int high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const int low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const int low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

template <class T>
std::string number_text(T number) {
  if (!std::isfinite(number)) return "null";
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  std::string text(digits, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

void JsonWriter::new_line() {
  if (!pretty_) return;
  out_ += '\n';
  out_.append(2 * levels_.size(), ' ');
}

void JsonWriter::before_value() {
  CHECK(!finished_);
  if (levels_.empty()) return;
  Level& level = levels_.back();
  if (level.close == '}') {
    CHECK(level.key_pending);
    level.key_pending = false;
    return;
  }
  if (!level.empty) out_ += ',';
  level.empty = false;
  new_line();
}

JsonWriter& JsonWriter::literal(std::string_view text) {
  before_value();
  out_ += text;
  finished_ = levels_.empty();
  return *this;
}

JsonWriter& JsonWriter::open(char opening, char closing) {
  before_value();
  out_ += opening;
  levels_.push_back({closing});
  return *this;
}

JsonWriter& JsonWriter::close(char closing) {
  CHECK(!levels_.empty() && levels_.back().close == closing && !levels_.back().key_pending);
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) new_line();
  out_ += closing;
  finished_ = levels_.empty();
  return *this;
}

JsonWriter& JsonWriter::begin_object() { return open('{', '}'); }
JsonWriter& JsonWriter::end_object() { return close('}'); }
JsonWriter& JsonWriter::begin_array() { return open('[', ']'); }
JsonWriter& JsonWriter::end_array() { return close(']'); }

JsonWriter& JsonWriter::key(std::string_view name) {
  CHECK(!levels_.empty() && levels_.back().close == '}' && !levels_.back().key_pending);
  Level& level = levels_.back();
  if (!level.empty) out_ += ',';
  level.empty = false;
  level.key_pending = true;
  new_line();
  quote(name);
  out_ += pretty_ ? ": " : ":";
  return *this;
}

void JsonWriter::quote(std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  out_ += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out_ += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c == '\t') {
      out_ += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_ += "\\u00";
      out_ += hex[c >> 4];
      out_ += hex[c & 15];
    } else {
      out_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out_ += '"';
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  quote(text);
  finished_ = levels_.empty();
  return *this;
}

JsonWriter& JsonWriter::value(float number) { return literal(number_text(number)); }
JsonWriter& JsonWriter::value(double number) { return literal(number_text(number)); }

std::string JsonWriter::take() {
  CHECK(finished_);
  if (pretty_) out_ += '\n';
  return std::move(out_);
}

}  // namespace farthing
