// The lists of filters, tests, methods and functions that templates can use.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

class Call;

struct Builtin {
  std::string_view name;
  Result<Value> (*run)(Call& call);
  std::size_t required;  // how many of the parameters must be given
  // Names with spaces between; one that begins with _ is given by position only. "*": whatever is
  // given, unsorted.
  std::string_view parameters;
};

// Null where there is none of that name. The lists are filters.inc, tests.inc and functions.inc.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_function(std::string_view name);
// methods.inc; `type` is the type's name in Python.
const Builtin* find_method(std::string_view type, std::string_view name);

// Whether Python's type has an attribute that methods.inc lacks, and whether it changes the value:
// jinja2's sandbox makes those undefined.
enum class UnsupportedAttribute { kNone, kUnsafe, kMissing };
UnsupportedAttribute unsupported_attribute(std::string_view type, std::string_view name);

// For error messages.
std::string filter_names();
std::string test_names();

}  // namespace farthing::jinja
