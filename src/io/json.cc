// JsonObject over nlohmann::json: a strict builder, and lookups that explain themselves.
#include "io/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace farthing {
namespace {
using nlohmann::json;

constexpr size_t max_depth = 64;
constexpr size_t max_values = 8'000'000;
constexpr const char* remedy = "correct the file or fetch it again";

// Builds the document; refuses duplicate keys and deep nesting, which the library's own builder
// accepts.
class StrictBuilder : public nlohmann::json_sax<json> {
 public:
  json root;
  std::string problem;
  size_t position = 0;

  bool null() override { return put(nullptr) != nullptr; }
  bool boolean(bool value) override { return put(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return put(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return put(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return put(value) != nullptr;
  }
  bool string(string_t& value) override { return put(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return descend(json::object()); }
  bool start_array(size_t) override { return descend(json::array()); }
  bool end_object() override { return ascend(); }
  bool end_array() override { return ascend(); }
  bool key(string_t& name) override {
    auto [at, inserted] = open_.back()->emplace(name, nullptr);
    if (!inserted) problem = fmt::format("the key \"{}\" twice in one object", name.substr(0, 200));
    member_ = &*at;
    return inserted;
  }
  bool parse_error(size_t at, const std::string&, const nlohmann::detail::exception&) override {
    position = at;
    problem = fmt::format("a syntax error at byte {}", at);
    return false;
  }

 private:
  json* put(json value) {
    if (++values_ > max_values) {
      problem = fmt::format("more than {} values", max_values);
      return nullptr;
    }
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (open_.back()->is_object()) {
      *member_ = std::move(value);
      return member_;
    }
    open_.back()->push_back(std::move(value));
    return &open_.back()->back();
  }
  bool descend(json empty) {
    if (open_.size() == max_depth) {
      problem = fmt::format("more than {} levels of nesting", max_depth);
      return false;
    }
    json* made = put(std::move(empty));
    if (made != nullptr) open_.push_back(made);
    return made != nullptr;
  }
  bool ascend() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;  // the objects and arrays around the current place
  json* member_ = nullptr;   // where the value of the last key goes
  size_t values_ = 0;
};

Result<json> parse_strict(std::string_view text, const std::string& where) {
  StrictBuilder builder;
  bool good = false;
  try {
    good = json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const std::exception& error) {
    builder.problem = error.what();
  }
  if (good) return std::move(builder.root);
  if (builder.problem.empty()) builder.problem = "something else";
  const auto end = text.begin() + static_cast<ptrdiff_t>(std::min(builder.position, text.size()));
  return fail(
      {.what = "the text is not JSON that can be read",
       .where = builder.position == 0
                    ? where
                    : fmt::format("{}, line {}", where, 1 + std::count(text.begin(), end, '\n')),
       .got = builder.problem,
       .wanted = fmt::format("JSON (RFC 8259) with unique keys, at most {} levels and {} values",
                             max_depth, max_values),
       .remedy = remedy});
}

const json& of(const std::shared_ptr<const void>& node) {
  return *static_cast<const json*>(node.get());
}

const json* find_exact(const json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const json* find(const json& root, std::string_view path) {
  const json* at = &root;
  while (at != nullptr && !path.empty()) {
    const size_t dot = std::min(path.find('.'), path.size());
    at = find_exact(*at, path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return at;
}

std::string described(const json* value) {
  if (value == nullptr) return "nothing";
  std::string text = value->dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return fmt::format("{}: {}", value->type_name(), text);
}

tl::unexpected<Error> wrong(const json* value, const std::string& where, std::string_view path,
                            const char* wanted) {
  return fail({.what = value == nullptr ? "a field is missing" : "a field has the wrong type",
               .where = path.empty() ? where : fmt::format("{}, field {}", where, path),
               .got = value == nullptr ? "" : described(value),
               .wanted = wanted,
               .remedy = remedy});
}

// One reader for each type of value: whether it fits, its name in errors, its value.
struct AsInteger {
  static constexpr const char* wanted = "a whole number of at most 63 bits";
  static bool fits(const json& v) {
    return v.is_number_integer() && !(v.is_number_unsigned() && v.get<uint64_t>() > INT64_MAX);
  }
  static int64_t get(const json& v) { return v.get<int64_t>(); }
};
struct AsNumber {
  static constexpr const char* wanted = "a number";
  static bool fits(const json& v) { return v.is_number(); }
  static double get(const json& v) { return v.get<double>(); }
};
struct AsString {
  static constexpr const char* wanted = "a string";
  static bool fits(const json& v) { return v.is_string(); }
  static std::string get(const json& v) { return v.get_ref<const std::string&>(); }
};
struct AsBoolean {
  static constexpr const char* wanted = "true or false";
  static bool fits(const json& v) { return v.is_boolean(); }
  static bool get(const json& v) { return v.get<bool>(); }
};

template <class As>
using ValueOf = decltype(As::get(std::declval<const json&>()));

template <class As>
Result<ValueOf<As>> scalar(const json& root, const std::string& where, std::string_view path) {
  const json* value = find(root, path);
  if (value == nullptr || !As::fits(*value)) return wrong(value, where, path, As::wanted);
  return As::get(*value);
}

template <class As>
Result<ValueOf<As>> scalar_or(const json& root, const std::string& where, std::string_view path,
                              ValueOf<As> otherwise) {
  const json* value = find(root, path);
  if (value == nullptr || value->is_null()) return otherwise;
  return scalar<As>(root, where, path);
}

template <class As>
Result<std::vector<ValueOf<As>>> list(const json& root, const std::string& where,
                                      std::string_view path) {
  const json* value = find(root, path);
  if (value == nullptr || !value->is_array()) return wrong(value, where, path, "an array");
  std::vector<ValueOf<As>> out;
  for (size_t i = 0; i < value->size(); ++i) {
    const json& item = (*value)[i];
    if (!As::fits(item)) return wrong(&item, where, fmt::format("{}[{}]", path, i), As::wanted);
    out.push_back(As::get(item));
  }
  return out;
}
}  // namespace

Result<JsonObject> JsonObject::parse(std::string_view text, std::string where) {
  auto root = TRY(parse_strict(text, where));
  if (!root.is_object()) return wrong(&root, where, {}, "a JSON object");
  return JsonObject(std::make_shared<const json>(std::move(root)), std::move(where));
}

bool JsonObject::has(std::string_view path) const { return find(of(node_), path) != nullptr; }

bool JsonObject::is_null(std::string_view path) const {
  const json* value = find(of(node_), path);
  return value != nullptr && value->is_null();
}

std::vector<std::string> JsonObject::keys(std::string_view path) const {
  std::vector<std::string> out;
  const json* value = find(of(node_), path);
  if (value == nullptr || !value->is_object()) return out;
  for (const auto& [name, _] : value->items()) out.push_back(name);
  return out;
}

Result<int64_t> JsonObject::integer(std::string_view path) const {
  return scalar<AsInteger>(of(node_), where_, path);
}
Result<int64_t> JsonObject::integer(std::string_view path, int64_t otherwise) const {
  return scalar_or<AsInteger>(of(node_), where_, path, otherwise);
}
Result<double> JsonObject::number(std::string_view path) const {
  return scalar<AsNumber>(of(node_), where_, path);
}
Result<double> JsonObject::number(std::string_view path, double otherwise) const {
  return scalar_or<AsNumber>(of(node_), where_, path, otherwise);
}
Result<std::string> JsonObject::string(std::string_view path) const {
  return scalar<AsString>(of(node_), where_, path);
}
Result<std::string> JsonObject::string(std::string_view path, std::string otherwise) const {
  return scalar_or<AsString>(of(node_), where_, path, std::move(otherwise));
}
Result<bool> JsonObject::boolean(std::string_view path) const {
  return scalar<AsBoolean>(of(node_), where_, path);
}
Result<bool> JsonObject::boolean(std::string_view path, bool otherwise) const {
  return scalar_or<AsBoolean>(of(node_), where_, path, otherwise);
}
Result<std::vector<int64_t>> JsonObject::integers(std::string_view path) const {
  return list<AsInteger>(of(node_), where_, path);
}
Result<std::vector<double>> JsonObject::numbers(std::string_view path) const {
  return list<AsNumber>(of(node_), where_, path);
}
Result<std::vector<std::string>> JsonObject::strings(std::string_view path) const {
  return list<AsString>(of(node_), where_, path);
}

Result<JsonObject> JsonObject::object(std::string_view path) const {
  const json* value = find(of(node_), path);
  if (value == nullptr || !value->is_object()) return wrong(value, where_, path, "an object");
  return JsonObject({node_, value}, fmt::format("{}, {}", where_, path));
}

Result<std::vector<JsonObject>> JsonObject::objects(std::string_view path) const {
  const json* value = find(of(node_), path);
  if (value == nullptr || !value->is_array()) return wrong(value, where_, path, "an array");
  std::vector<JsonObject> out;
  for (size_t i = 0; i < value->size(); ++i) {
    const json& item = (*value)[i];
    const std::string name = fmt::format("{}[{}]", path, i);
    if (!item.is_object()) return wrong(&item, where_, name, "an object");
    out.push_back(JsonObject({node_, &item}, fmt::format("{}, {}", where_, name)));
  }
  return out;
}

Result<JsonObject> JsonObject::member(std::string_view name) const {
  const json* value = find_exact(of(node_), name);
  if (value == nullptr || !value->is_object()) return wrong(value, where_, name, "an object");
  return JsonObject({node_, value}, fmt::format("{}, {}", where_, name));
}

Result<std::string> JsonObject::member_string(std::string_view name) const {
  const json* value = find_exact(of(node_), name);
  if (value == nullptr || !AsString::fits(*value))
    return wrong(value, where_, name, AsString::wanted);
  return AsString::get(*value);
}

Result<JsonObject> JsonObject::with(std::string_view name, std::string_view text) const {
  auto copy = std::make_shared<json>(of(node_));
  (*copy)[std::string(name)] = TRY(parse_strict(text, fmt::format("{}, {}", where_, name)));
  return JsonObject(std::move(copy), where_);
}

JsonObject JsonObject::without(std::string_view name) const {
  auto copy = std::make_shared<json>(of(node_));
  copy->erase(std::string(name));
  return JsonObject(std::move(copy), where_);
}

std::string JsonObject::text() const { return of(node_).dump(2) + "\n"; }

}  // namespace farthing
