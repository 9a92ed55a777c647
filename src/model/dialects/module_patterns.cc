// Names of modules against patterns.
#include "model/dialects/module_patterns.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

namespace farthing {

Result<ModuleRegex> ModuleRegex::compile(std::string_view pattern, std::string_view where) {
  auto regex = Regex::compile(fmt::format("^(?:{})", pattern), where);
  if (!regex) {
    Error error = std::move(regex.error());
    error.what = "a pattern of the quantization section is no regular expression";
    error.remedy = "correct the pattern";
    return fail(std::move(error));
  }
  return ModuleRegex(std::move(*regex));
}

Result<ModuleTargets> ModuleTargets::parse(const std::vector<std::string>& entries,
                                           std::string_view where) {
  ModuleTargets out;
  for (const std::string& entry : entries) {
    if (entry.starts_with("re:")) {
      out.expressions_.push_back(TRY(ModuleRegex::compile(entry.substr(3), where)));
    } else {
      out.names_.push_back(entry);
    }
  }
  return out;
}

ModuleTargets::Fit ModuleTargets::fit(std::string_view module, std::string_view class_name) const {
  if (std::ranges::find(names_, module) != names_.end()) return by_name;
  for (const ModuleRegex& expression : expressions_)
    if (expression.matches(module)) return by_expression;
  return std::ranges::find(names_, class_name) != names_.end() ? by_class : none;
}

bool wildcard_matches(const std::string& pattern, const std::string& module) {
  return fnmatch(pattern.c_str(), module.c_str(), 0) == 0;
}

}  // namespace farthing
