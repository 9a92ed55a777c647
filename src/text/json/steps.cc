// Sequences, patterns and strings of tokenizer.json.
#include "text/json/steps.h"

#include <algorithm>
#include <utility>

#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous}};

}  // namespace

Result<Pattern> read_pattern(const JsonNode& node) {
  const JsonNode pattern = TRY(node.at("pattern"));
  if (pattern.has("Regex")) return Pattern{TRY(pattern.text("Regex")), true};
  if (pattern.has("String")) return Pattern{TRY(pattern.text("String")), false};
  return pattern.refuse("{\"String\": ...} or {\"Regex\": ...}");
}

Result<std::vector<JsonNode>> step_nodes(const JsonNode& parent, const char* stage,
                                         const char* list_key) {
  std::vector<JsonNode> steps;
  if (!parent.has(stage)) return steps;
  std::vector<JsonNode> pending = {TRY(parent.at(stage))};
  while (!pending.empty()) {
    const JsonNode node = pending.back();
    pending.pop_back();
    if (TRY(node.text("type")) != "Sequence") {
      steps.push_back(node);
      continue;
    }
    const JsonNode list = TRY(node.at(list_key));
    TRY(list.check_list());
    for (std::size_t i = list.size(); i-- > 0;) pending.push_back(list.element(i));
  }
  return steps;
}

Result<Replace> read_replace(const JsonNode& node) {
  Replace replace;
  replace.pattern = TRY(read_pattern(node));
  replace.content = TRY(node.text("content"));
  return replace;
}

Result<Metaspace> read_metaspace(const JsonNode& node) {
  Metaspace metaspace;
  metaspace.replacement = TRY(node.text("replacement"));
  if (metaspace.replacement.empty()) return node.refuse("a replacement of one character");
  metaspace.split = TRY(node.boolean("split", true));
  if (!node.has("prepend_scheme")) {  // files written before the scheme existed
    const bool prefix = TRY(node.boolean("add_prefix_space", true));
    metaspace.prepend = prefix ? PrependScheme::kAlways : PrependScheme::kNever;
    return metaspace;
  }
  const std::string scheme = TRY(node.text("prepend_scheme"));
  if (scheme == "always") {
    metaspace.prepend = PrependScheme::kAlways;
  } else if (scheme == "first") {
    metaspace.prepend = PrependScheme::kFirst;
  } else if (scheme == "never") {
    metaspace.prepend = PrependScheme::kNever;
  } else {
    return node.refuse(fmt::format("prepend_scheme \"{}\"", scheme), "always, first or never");
  }
  return metaspace;
}

Result<SplitBehavior> read_behavior(const JsonNode& node) {
  const std::string behavior = TRY(node.text("behavior"));
  for (const auto& [name, value] : kBehaviors) {
    if (behavior == name) return value;
  }
  return node.refuse(fmt::format("behavior \"{}\"", behavior),
                     "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : replace_invalid_utf8(text)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string pattern_json(const Pattern& pattern) {
  return fmt::format(R"({{"{}": {}}})", pattern.is_regex ? "Regex" : "String",
                     quoted(pattern.text));
}

std::string replace_json(const Replace& step) {
  return fmt::format(R"({{"type": "Replace", "pattern": {}, "content": {}}})",
                     pattern_json(step.pattern), quoted(step.content));
}

std::string metaspace_json(const Metaspace& step) {
  static constexpr const char* kNames[] = {"always", "first", "never"};
  return fmt::format(
      R"({{"type": "Metaspace", "replacement": {}, "prepend_scheme": "{}", "split": {}}})",
      quoted(step.replacement), kNames[static_cast<int>(step.prepend)], step.split);
}

std::string_view behavior_name(SplitBehavior behavior) {
  const auto* found = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                   [&](const auto& entry) { return entry.second == behavior; });
  return found->first;
}

}  // namespace farthing::tokenizer
