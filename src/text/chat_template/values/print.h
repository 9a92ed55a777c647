// Values as text: Python's str and repr, and JSON as transformers' filter tojson writes it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "text/chat_template/values/limits.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

// Python's repr of a float: the shortest digits that read back the same.
std::string float_text(double number);

// str(value). Fails on objects, whose text would hold an address, and where the budget ends.
Result<std::string> to_text(const Value& value, Budget* budget);

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

// json.dumps(value). Fails on what JSON has no form for, such as undefined.
Result<std::string> to_json(const Value& value, const JsonStyle& style, Budget* budget);

}  // namespace farthing::jinja
