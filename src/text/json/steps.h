// What the readers and writers of the stages share: sequences of steps, patterns, and strings.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "text/json/node.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// The nodes of the member `stage` of `parent`: none for null, several for a Sequence (whose list is
// `list_key`).
Result<std::vector<JsonNode>> step_nodes(const JsonNode& parent, const char* stage,
                                         const char* list_key);

template <class Step>
Result<std::vector<Step>> read_steps(const JsonNode& parent, const char* stage,
                                     const char* list_key,
                                     Result<Step> (*read_step)(const JsonNode&,
                                                               const std::string&)) {
  std::vector<Step> steps;
  for (const JsonNode& node : TRY(step_nodes(parent, stage, list_key))) {
    steps.push_back(TRY(read_step(node, TRY(node.text("type")))));
  }
  return steps;
}

Result<Pattern> read_pattern(const JsonNode& node);
Result<Replace> read_replace(const JsonNode& node);
Result<Metaspace> read_metaspace(const JsonNode& node);
Result<SplitBehavior> read_behavior(const JsonNode& node);

// A JSON string, quotes included; what is not valid UTF-8 becomes U+FFFD.
std::string quoted(std::string_view text);
std::string replace_json(const Replace& step);
std::string metaspace_json(const Metaspace& step);
std::string pattern_json(const Pattern& pattern);
std::string_view behavior_name(SplitBehavior behavior);

// One step as it is, several as a Sequence, none as null. `Writer` has an overload for each kind.
template <class Writer, class Step>
std::string steps_json(const std::vector<Step>& steps, const char* list_key) {
  if (steps.empty()) return "null";
  std::vector<std::string> parts;
  for (const Step& step : steps) parts.push_back(std::visit(Writer(), step));
  if (parts.size() == 1) return parts[0];
  return fmt::format(R"({{"type": "Sequence", "{}": [{}]}})", list_key, fmt::join(parts, ", "));
}

}  // namespace farthing::tokenizer
