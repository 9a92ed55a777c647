// The writer of tokenizer.json.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "text/pipeline/spec.h"
#include "text/tokenizer_json.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

using namespace tokenizer;  // NOLINT: the parts of a specification

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

// One overload for each kind of step.
struct StepWriter {
  std::string operator()(const Prepend& step) const {
    return fmt::format(R"({{"type": "Prepend", "prepend": {}}})", quoted(step.text));
  }
  std::string operator()(const Replace& step) const {
    return fmt::format(R"({{"type": "Replace", "pattern": {}, "content": {}}})",
                       pattern_json(step.pattern), quoted(step.content));
  }
  std::string operator()(const Nfc&) const { return R"({"type": "NFC"})"; }
  std::string operator()(const Split& step) const {
    static constexpr const char* kNames[] = {"Removed", "Isolated", "MergedWithPrevious",
                                             "MergedWithNext", "Contiguous"};
    return fmt::format(R"({{"type": "Split", "pattern": {}, "behavior": "{}", "invert": {}}})",
                       pattern_json(step.pattern), kNames[static_cast<int>(step.behavior)],
                       step.invert);
  }
  std::string operator()(const Digits& step) const {
    return fmt::format(R"({{"type": "Digits", "individual_digits": {}}})", step.individual);
  }
  std::string operator()(const ByteLevel& step) const {
    return fmt::format(
        R"({{"type": "ByteLevel", "add_prefix_space": {}, "trim_offsets": true, "use_regex": {}}})",
        step.add_prefix_space, step.use_regex);
  }
  std::string operator()(const Metaspace& step) const {
    static constexpr const char* kNames[] = {"always", "first", "never"};
    return fmt::format(
        R"({{"type": "Metaspace", "replacement": {}, "prepend_scheme": "{}", "split": {}}})",
        quoted(step.replacement), kNames[static_cast<int>(step.prepend)], step.split);
  }
  std::string operator()(const ByteFallback&) const { return R"({"type": "ByteFallback"})"; }
  std::string operator()(const Fuse&) const { return R"({"type": "Fuse"})"; }
  std::string operator()(const Strip& step) const {
    return fmt::format(R"({{"type": "Strip", "content": {}, "start": {}, "stop": 0}})",
                       quoted(step.content), step.start);
  }
};

template <class Step>
std::string steps_json(const std::vector<Step>& steps, const char* list_key) {
  if (steps.empty()) return "null";
  std::vector<std::string> parts;
  for (const Step& step : steps) parts.push_back(std::visit(StepWriter(), step));
  if (parts.size() == 1) return parts[0];
  return fmt::format(R"({{"type": "Sequence", "{}": [{}]}})", list_key, fmt::join(parts, ", "));
}

std::string added_token_json(const AddedToken& token) {
  return fmt::format(
      R"({{"id": {}, "content": {}, "single_word": {}, "lstrip": {}, "rstrip": {}, "normalized": {}, "special": {}}})",
      token.id, quoted(token.content), token.single_word, token.lstrip, token.rstrip,
      token.normalized, token.special);
}

std::string template_json(const Spec& spec) {
  if (spec.prefix.empty() && spec.suffix.empty()) return "null";
  std::vector<std::string> single, special_tokens;
  const auto add = [&](std::int32_t id) {
    const std::string name = quoted(spec.tokens[id]);
    single.push_back(fmt::format(R"({{"SpecialToken": {{"id": {}, "type_id": 0}}}})", name));
    const std::string entry =
        fmt::format(R"({0}: {{"id": {0}, "ids": [{1}], "tokens": [{0}]}})", name, id);
    if (std::find(special_tokens.begin(), special_tokens.end(), entry) == special_tokens.end()) {
      special_tokens.push_back(entry);
    }
  };
  for (const std::int32_t id : spec.prefix) add(id);
  single.push_back(R"({"Sequence": {"id": "A", "type_id": 0}})");
  for (const std::int32_t id : spec.suffix) add(id);
  std::vector<std::string> pair = single;
  pair.push_back(R"({"Sequence": {"id": "B", "type_id": 1}})");
  return fmt::format(
      R"({{"type": "TemplateProcessing", "single": [{}], "pair": [{}], "special_tokens": {{{}}}}})",
      fmt::join(single, ", "), fmt::join(pair, ", "), fmt::join(special_tokens, ", "));
}

std::string model_json(const Spec& spec) {
  std::vector<std::string> vocab, merges;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!spec.tokens[id].empty())
      vocab.push_back(fmt::format("{}: {}", quoted(spec.tokens[id]), id));
  }
  for (const Merge& merge : spec.merges) {
    merges.push_back(
        fmt::format("[{}, {}]", quoted(spec.tokens[merge.left]), quoted(spec.tokens[merge.right])));
  }
  return fmt::format(
      R"({{"type": "BPE", "dropout": null, "unk_token": {}, "continuing_subword_prefix": null, )"
      R"("end_of_word_suffix": null, "fuse_unk": {}, "byte_fallback": {}, "ignore_merges": {},)"
      "\n    \"vocab\": {{{}}},\n    \"merges\": [{}]}}",
      spec.unknown ? quoted(spec.tokens[*spec.unknown]) : "null", spec.fuse_unknown,
      spec.byte_fallback, spec.ignore_merges, fmt::join(vocab, ",\n      "),
      fmt::join(merges, ",\n      "));
}

}  // namespace

std::string tokenizer_to_json(const Tokenizer& tokenizer) {
  const Spec& spec = tokenizer.spec();
  if (!spec.json.empty()) return spec.json;
  std::vector<std::string> added;
  for (const AddedToken& token : spec.added) added.push_back(added_token_json(token));
  return fmt::format(
      "{{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
      "  \"added_tokens\": [{}],\n  \"normalizer\": {},\n  \"pre_tokenizer\": {},\n"
      "  \"post_processor\": {},\n  \"decoder\": {},\n  \"model\": {}\n}}\n",
      fmt::join(added, ",\n    "), steps_json(spec.normalizers, "normalizers"),
      steps_json(spec.pre_tokenizers, "pretokenizers"), template_json(spec),
      steps_json(spec.decoders, "decoders"), model_json(spec));
}

}  // namespace farthing
