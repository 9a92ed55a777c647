// The pre-tokenizers of tokenizer.json, read and written.
#include "text/json/stages.h"
#include "text/json/steps.h"

namespace farthing::tokenizer {
namespace {

constexpr const char* kKnown =
    "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Split, "
    "Whitespace, WhitespaceSplit or Sequence";

Result<Split> read_split(const JsonNode& node) {
  Split split;
  split.pattern = TRY(read_pattern(node));
  split.invert = TRY(node.boolean("invert", false));
  split.behavior = TRY(read_behavior(node));
  return split;
}

Result<PreTokenizerStep> read_pre_tokenizer(const JsonNode& node, const std::string& type) {
  if (type == "ByteLevel") {
    ByteLevel step;
    step.add_prefix_space = TRY(node.boolean("add_prefix_space", true));
    step.use_regex = TRY(node.boolean("use_regex", true));
    return step;
  }
  if (type == "Digits") return Digits{TRY(node.boolean("individual_digits", false))};
  if (type == "Metaspace") return TRY(read_metaspace(node));
  if (type == "Split") return TRY(read_split(node));
  if (type == "Whitespace") return Whitespace{};
  if (type == "WhitespaceSplit") return WhitespaceSplit{};
  if (type == "BertPreTokenizer") return BertPreTokenizer{};
  if (type == "CharDelimiterSplit") {
    const std::string delimiter = TRY(node.text("delimiter"));
    if (delimiter.empty()) return TRY(node.at("delimiter")).refuse("one character");
    return Split{.pattern = {.text = delimiter}, .behavior = SplitBehavior::kRemoved};
  }
  if (type == "Punctuation") {
    if (!node.has("behavior")) return Punctuation{};
    return Punctuation{TRY(read_behavior(node))};
  }
  return node.refuse(fmt::format("a pre-tokenizer of type \"{}\"", type), kKnown);
}

// One overload for each kind of step.
struct Writer {
  std::string operator()(const Split& step) const {
    return fmt::format(R"({{"type": "Split", "pattern": {}, "behavior": "{}", "invert": {}}})",
                       pattern_json(step.pattern), behavior_name(step.behavior), step.invert);
  }
  std::string operator()(const Digits& step) const {
    return fmt::format(R"({{"type": "Digits", "individual_digits": {}}})", step.individual);
  }
  std::string operator()(const ByteLevel& step) const {
    return fmt::format(
        R"({{"type": "ByteLevel", "add_prefix_space": {}, "trim_offsets": true, "use_regex": {}}})",
        step.add_prefix_space, step.use_regex);
  }
  std::string operator()(const Metaspace& step) const { return metaspace_json(step); }
  std::string operator()(const Whitespace&) const { return R"({"type": "Whitespace"})"; }
  std::string operator()(const WhitespaceSplit&) const { return R"({"type": "WhitespaceSplit"})"; }
  std::string operator()(const BertPreTokenizer&) const {
    return R"({"type": "BertPreTokenizer"})";
  }
  std::string operator()(const Punctuation& step) const {
    return fmt::format(R"({{"type": "Punctuation", "behavior": "{}"}})",
                       behavior_name(step.behavior));
  }
};

}  // namespace

Result<std::vector<PreTokenizerStep>> read_pre_tokenizers(const JsonNode& root) {
  return read_steps(root, "pre_tokenizer", "pretokenizers", &read_pre_tokenizer);
}

std::string pre_tokenizers_json(const std::vector<PreTokenizerStep>& steps) {
  return steps_json<Writer>(steps, "pretokenizers");
}

}  // namespace farthing::tokenizer
