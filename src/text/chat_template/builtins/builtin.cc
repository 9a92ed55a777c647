// The lists as tables, and how names are found in them.
#include "text/chat_template/builtins/builtin.h"

#include <fmt/format.h>

#include <iterator>

#include "text/chat_template/builtins/functions.h"

namespace farthing::jinja {
namespace {

#define BUILTIN(name, function, required, parameters) {name, function, required, parameters},
constexpr Builtin kFilters[] = {
#include "text/chat_template/builtins/filters.inc"
};
constexpr Builtin kTests[] = {
#include "text/chat_template/builtins/tests.inc"
};
constexpr Builtin kFunctions[] = {
#include "text/chat_template/builtins/functions.inc"
};
#undef BUILTIN

struct Method {
  std::string_view type;
  Builtin builtin;
};
#define METHOD(type, name, function, required, parameters) \
  {type, {name, function, required, parameters}},
constexpr Method kMethods[] = {
#include "text/chat_template/builtins/methods.inc"
};
#undef METHOD

// Attributes of Python's types that are not in methods.inc.
struct PythonType {
  std::string_view name, unsafe, missing;
};
constexpr PythonType kPythonTypes[] = {
    {"str", "",
     " casefold center encode expandtabs format_map isascii isdecimal isidentifier isnumeric "
     "isprintable istitle ljust maketrans rindex rjust swapcase translate zfill "},
    {"Markup", "", ""},
    {"dict", " clear pop popitem setdefault update ", " fromkeys "},
    {"list", " append clear extend insert pop remove reverse sort ", ""},
    {"tuple", "", ""},
    {"Macro", "", " arguments caller catch_kwargs catch_varargs explicit_caller name "},
    {"generator", " gi_code gi_frame gi_yieldfrom ", " close gi_running gi_suspended send throw "},
    {"range", "", " count index start step stop "},
    {"dict_keys", "", " isdisjoint mapping "},
    {"dict_values", "", " mapping "},
    {"dict_items", "", " isdisjoint mapping "},
    {"int", "",
     " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real "
     "to_bytes "},
    {"bool", "",
     " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real "
     "to_bytes "},
    {"float", "", " as_integer_ratio conjugate fromhex hex imag is_integer real "},
};

bool lists(std::string_view names, std::string_view name) {
  return names.find(fmt::format(" {} ", name)) != std::string_view::npos;
}

template <std::size_t n>
const Builtin* find(const Builtin (&list)[n], std::string_view name) {
  for (const Builtin& builtin : list) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

template <std::size_t n>
std::string names_of(const Builtin (&list)[n]) {
  std::string names;
  for (const Builtin& builtin : list) {
    if (!names.empty()) names += ", ";
    names += builtin.name;
  }
  return names;
}

}  // namespace

const Builtin* find_filter(std::string_view name) { return find(kFilters, name); }
const Builtin* find_test(std::string_view name) { return find(kTests, name); }
const Builtin* find_function(std::string_view name) { return find(kFunctions, name); }
std::string filter_names() { return names_of(kFilters); }
std::string test_names() { return names_of(kTests); }

const Builtin* find_method(std::string_view type, std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.type == type && method.builtin.name == name) return &method.builtin;
  }
  return nullptr;
}

UnsupportedAttribute unsupported_attribute(std::string_view type, std::string_view name) {
  if (name.starts_with("__")) return UnsupportedAttribute::kMissing;
  for (const PythonType& python : kPythonTypes) {
    if (python.name != type) continue;
    if (lists(python.unsafe, name)) return UnsupportedAttribute::kUnsafe;
    // A method of marked text escapes its arguments and marks what it returns.
    const bool of_markup = type == "Markup" && (find_method("str", name) != nullptr ||
                                                lists(kPythonTypes[0].missing, name));
    if (of_markup || lists(python.missing, name)) return UnsupportedAttribute::kMissing;
    return UnsupportedAttribute::kNone;
  }
  return UnsupportedAttribute::kNone;
}

}  // namespace farthing::jinja
