// Patterns by which configurations name modules: regular expressions, wildcards, names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/unicode/regex.h"

namespace farthing {

// As Python's re.match: a match must begin where the name begins, and may end before its end.
class ModuleRegex {
 public:
  static Result<ModuleRegex> compile(std::string_view pattern, std::string_view where);
  bool matches(std::string_view module) const { return regex_.find(module, 0).has_value(); }

 private:
  explicit ModuleRegex(Regex regex) : regex_(std::move(regex)) {}
  Regex regex_;
};

// compressed-tensors' entries of targets and ignore: "re:" and a regular expression, or the name of
// a module or of its class.
class ModuleTargets {
 public:
  static Result<ModuleTargets> parse(const std::vector<std::string>& entries,
                                     std::string_view where);
  // How closely an entry fits: by name before by expression before by class.
  enum Fit { none, by_class, by_expression, by_name };
  Fit fit(std::string_view module, std::string_view class_name) const;

 private:
  std::vector<std::string> names_;
  std::vector<ModuleRegex> expressions_;
};

// A shell's wildcards.
bool wildcard_matches(const std::string& pattern, const std::string& module);

}  // namespace farthing
