// A value of a tokenizer's JSON file together with its place in the file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace farthing::tokenizer {

// Valid as long as the JsonDocument that it comes from. Every refusal names the path of the value.
class JsonNode {
 public:
  tl::unexpected<Error> refuse(std::string got, std::string wanted) const;
  // With the value itself, shortened, as what was got.
  tl::unexpected<Error> refuse(std::string wanted) const;

  // Whether this is an object with a member `key` that is not null.
  bool has(const char* key) const;
  Result<JsonNode> at(const char* key) const;

  std::vector<std::string> keys() const;  // of an object, in ascending order

  std::size_t size() const;  // of a list or an object; 0 of null, 1 of anything else
  bool is_object() const;
  bool is_list() const;
  Result<void> check_list() const;
  JsonNode element(std::size_t i) const;  // `i` must be less than size() of a list

  Result<std::string> text() const;
  Result<std::string> text(const char* key) const;
  Result<bool> boolean(const char* key, bool otherwise) const;
  // A whole number of 0 to 2^31 - 1.
  Result<std::int32_t> count() const;
  Result<std::int32_t> count(const char* key, std::int32_t otherwise) const;
  bool is_zero_or_empty() const;  // 0, 0.0 or ""

  // Long lists are read without a node for each element; nothing where the element is of another
  // form. The views are valid as long as the document.
  std::optional<std::string_view> string_at(std::size_t i) const;
  std::optional<std::pair<std::string_view, std::string_view>> pair_at(std::size_t i) const;
  std::optional<std::pair<std::string_view, double>> scored_at(std::size_t i) const;
  // Each member of an object with its value, if that is a whole number of 0 to 2^31 - 1.
  using IdSink = std::function<Result<void>(const std::string& key, std::optional<std::int32_t>)>;
  Result<void> each_id(const IdSink& sink) const;

 private:
  friend class JsonDocument;
  JsonNode(const void* json, std::string path) : json_(json), path_(std::move(path)) {}

  const void* json_;  // nlohmann::json, whose header is slow to compile
  std::string path_;
};

class JsonDocument {
 public:
  // Fails on what is not JSON, and on more than 64 levels of nesting.
  static Result<JsonDocument> parse(std::string_view text, std::string_view where);

  JsonNode root() const { return {json_.get(), where_}; }

 private:
  JsonDocument(std::shared_ptr<const void> json, std::string where)
      : json_(std::move(json)), where_(std::move(where)) {}

  std::shared_ptr<const void> json_;
  std::string where_;
};

}  // namespace farthing::tokenizer
