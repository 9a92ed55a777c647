// The adapter of the JSON library for tokenizer files.
#include "text/json/node.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace farthing::tokenizer {
namespace {

using Json = nlohmann::json;

constexpr int kDeepestNesting = 64;
constexpr std::uint64_t kLargestCount = 0x7FFFFFFF;

const Json& json_of(const void* json) { return *static_cast<const Json*>(json); }

bool is_count(const Json& json) {
  return json.is_number_unsigned() && json.get<std::uint64_t>() <= kLargestCount;
}

std::string_view view_of(const Json& json) { return json.get_ref<const std::string&>(); }

}  // namespace

tl::unexpected<Error> JsonNode::refuse(std::string got, std::string wanted) const {
  return fail({.what = "the tokenizer file holds a value that cannot be used",
               .where = path_,
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "check that the file is complete; if it is, this kind of tokenizer is not "
                         "supported"});
}

tl::unexpected<Error> JsonNode::refuse(std::string wanted) const {
  std::string got = json_of(json_).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (got.size() > 120) got = got.substr(0, 120) + " ...";
  return refuse(std::move(got), std::move(wanted));
}

bool JsonNode::has(const char* key) const {
  const Json& json = json_of(json_);
  return json.is_object() && json.contains(key) && !json[key].is_null();
}

Result<JsonNode> JsonNode::at(const char* key) const {
  if (!has(key)) return refuse("nothing", fmt::format("the key \"{}\"", key));
  return JsonNode{&json_of(json_)[key], fmt::format("{}.{}", path_, key)};
}

std::vector<std::string> JsonNode::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json_of(json_).items()) keys.push_back(key);
  return keys;
}

std::size_t JsonNode::size() const { return json_of(json_).size(); }
bool JsonNode::is_object() const { return json_of(json_).is_object(); }
bool JsonNode::is_list() const { return json_of(json_).is_array(); }

Result<void> JsonNode::check_list() const {
  if (!is_list()) return refuse("a list");
  return {};
}

JsonNode JsonNode::element(std::size_t i) const {
  return {&json_of(json_)[i], fmt::format("{}[{}]", path_, i)};
}

Result<std::string> JsonNode::text() const {
  if (!json_of(json_).is_string()) return refuse("a string");
  return json_of(json_).get<std::string>();
}

Result<std::string> JsonNode::text(const char* key) const { return TRY(at(key)).text(); }

Result<bool> JsonNode::boolean(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const JsonNode node = TRY(at(key));
  if (!json_of(node.json_).is_boolean()) return node.refuse("true or false");
  return json_of(node.json_).get<bool>();
}

Result<std::int32_t> JsonNode::count() const {
  if (!is_count(json_of(json_))) return refuse("a whole number from 0 to 2147483647");
  return json_of(json_).get<std::int32_t>();
}

Result<std::int32_t> JsonNode::count(const char* key, std::int32_t otherwise) const {
  if (!has(key)) return otherwise;
  return TRY(at(key)).count();
}

bool JsonNode::is_zero_or_empty() const { return json_of(json_) == "" || json_of(json_) == 0.0; }

std::optional<std::string_view> JsonNode::string_at(std::size_t i) const {
  const Json& element = json_of(json_)[i];
  if (!element.is_string()) return std::nullopt;
  return view_of(element);
}

std::optional<std::pair<std::string_view, std::string_view>> JsonNode::pair_at(
    std::size_t i) const {
  const Json& element = json_of(json_)[i];
  if (!element.is_array() || element.size() != 2) return std::nullopt;
  if (!element[0].is_string() || !element[1].is_string()) return std::nullopt;
  return std::pair(view_of(element[0]), view_of(element[1]));
}

std::optional<std::pair<std::string_view, double>> JsonNode::scored_at(std::size_t i) const {
  const Json& element = json_of(json_)[i];
  if (!element.is_array() || element.size() != 2) return std::nullopt;
  if (!element[0].is_string() || !element[1].is_number()) return std::nullopt;
  return std::pair(view_of(element[0]), element[1].get<double>());
}

Result<void> JsonNode::each_id(const IdSink& sink) const {
  for (const auto& [key, value] : json_of(json_).items()) {
    std::optional<std::int32_t> id;
    if (is_count(value)) id = value.get<std::int32_t>();
    TRY(sink(key, id));
  }
  return {};
}

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string_view where) {
  const auto refuse = [&](std::string got, std::string wanted) {
    return fail({.what = "the file is not JSON that can be read",
                 .where = std::string(where),
                 .got = std::move(got),
                 .wanted = std::move(wanted),
                 .remedy = "download the file again"});
  };
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestNesting) {
        return refuse(fmt::format("more than {} levels of nesting at byte {}", kDeepestNesting, i),
                      fmt::format("at most {} levels", kDeepestNesting));
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  try {
    return JsonDocument(std::make_shared<const Json>(Json::parse(text)), std::string(where));
  } catch (const Json::exception& error) {
    return refuse(error.what(), "valid JSON");
  }
}

}  // namespace farthing::tokenizer
