// JsonObject: what reading a configuration needs of JSON, without the JSON library's header.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing {

// A JSON object, read strictly: valid UTF-8, no duplicate keys, at most 64 levels
// and 8 million values (which take gigabytes if they are empty objects, and are more than any
// vocabulary has). A copy shares the document.
//
// A `path` names a member, and members of members by dots: "rope_scaling.type". Errors name the
// file and the path. The getters with `otherwise` return it where the member is absent or null; a
// wrong type is an error.
class JsonObject {
 public:
  // `where` names the text in errors: a file's path.
  static Result<JsonObject> parse(std::string_view text, std::string where);

  // Whether the member exists, null or not.
  bool has(std::string_view path) const;
  bool is_null(std::string_view path) const;
  // Names of the members, sorted; of this object where `path` is empty. None where there is no
  // object.
  std::vector<std::string> keys(std::string_view path = {}) const;

  Result<int64_t> integer(std::string_view path) const;
  Result<int64_t> integer(std::string_view path, int64_t otherwise) const;
  Result<double> number(std::string_view path) const;  // a whole number too
  Result<double> number(std::string_view path, double otherwise) const;
  Result<std::string> string(std::string_view path) const;
  Result<std::string> string(std::string_view path, std::string otherwise) const;
  Result<bool> boolean(std::string_view path) const;
  Result<bool> boolean(std::string_view path, bool otherwise) const;
  Result<std::vector<int64_t>> integers(std::string_view path) const;
  Result<std::vector<double>> numbers(std::string_view path) const;
  Result<std::vector<std::string>> strings(std::string_view path) const;
  Result<JsonObject> object(std::string_view path) const;
  Result<std::vector<JsonObject>> objects(std::string_view path) const;  // an array of objects
  // The member with exactly this name, dots included.
  Result<JsonObject> member(std::string_view name) const;
  Result<std::string> member_string(std::string_view name) const;

  // A copy in which `name` holds the value `json`.
  Result<JsonObject> with(std::string_view name, std::string_view json) const;
  JsonObject without(std::string_view name) const;
  // As JSON, members sorted by name, indented by two spaces.
  std::string text() const;
  const std::string& where() const { return where_; }

 private:
  JsonObject(std::shared_ptr<const void> node, std::string where)
      : node_(std::move(node)), where_(std::move(where)) {}

  std::shared_ptr<const void> node_;  // the library's value; owns the whole document
  std::string where_;
};

}  // namespace farthing
