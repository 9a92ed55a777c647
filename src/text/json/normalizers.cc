// The normalizers of tokenizer.json, read and written.
#include "text/json/stages.h"
#include "text/json/steps.h"
#include "text/unicode/base64.h"

namespace farthing::tokenizer {
namespace {

constexpr const char* kKnown =
    "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, "
    "Replace, Strip, StripAccents or Sequence";

Result<BertNormalizer> read_bert(const JsonNode& node) {
  BertNormalizer step;
  step.clean_text = TRY(node.boolean("clean_text", true));
  step.handle_chinese_chars = TRY(node.boolean("handle_chinese_chars", true));
  step.lowercase = TRY(node.boolean("lowercase", true));
  step.strip_accents = TRY(node.boolean("strip_accents", step.lowercase));
  return step;
}

Result<Precompiled> read_precompiled(const JsonNode& node) {
  Precompiled step;
  if (!node.has("precompiled_charsmap")) return step;
  const auto bytes = decode_base64(TRY(node.text("precompiled_charsmap")));
  if (!bytes) return TRY(node.at("precompiled_charsmap")).refuse("base64");
  step.charsmap = *bytes;
  return step;
}

Result<NormalizerStep> read_normalizer(const JsonNode& node, const std::string& type) {
  if (type == "Prepend") return Prepend{TRY(node.text("prepend"))};
  if (type == "Replace") return TRY(read_replace(node));
  if (type == "NFC") return NormalForm::kNfc;
  if (type == "NFD") return NormalForm::kNfd;
  if (type == "NFKC") return NormalForm::kNfkc;
  if (type == "NFKD") return NormalForm::kNfkd;
  if (type == "Lowercase") return Lowercase{};
  if (type == "StripAccents") return StripAccents{};
  if (type == "Nmt") return Nmt{};
  if (type == "ByteLevel") return SpellBytes{};
  if (type == "BertNormalizer") return TRY(read_bert(node));
  if (type == "Precompiled") return TRY(read_precompiled(node));
  if (type == "Strip") {
    return StripSpaces{TRY(node.boolean("strip_left", true)),
                       TRY(node.boolean("strip_right", true))};
  }
  return node.refuse(fmt::format("a normalizer of type \"{}\"", type), kKnown);
}

// One overload for each kind of step.
struct Writer {
  std::string operator()(const Prepend& step) const {
    return fmt::format(R"({{"type": "Prepend", "prepend": {}}})", quoted(step.text));
  }
  std::string operator()(const Replace& step) const { return replace_json(step); }
  std::string operator()(const NormalForm& form) const {
    static constexpr const char* kNames[] = {"NFC", "NFD", "NFKC", "NFKD"};
    return fmt::format(R"({{"type": "{}"}})", kNames[static_cast<int>(form)]);
  }
  std::string operator()(const Lowercase&) const { return R"({"type": "Lowercase"})"; }
  std::string operator()(const StripSpaces& step) const {
    return fmt::format(R"({{"type": "Strip", "strip_left": {}, "strip_right": {}}})", step.left,
                       step.right);
  }
  std::string operator()(const StripAccents&) const { return R"({"type": "StripAccents"})"; }
  std::string operator()(const BertNormalizer& step) const {
    return fmt::format(
        R"({{"type": "BertNormalizer", "clean_text": {}, "handle_chinese_chars": {}, )"
        R"("strip_accents": {}, "lowercase": {}}})",
        step.clean_text, step.handle_chinese_chars, step.strip_accents, step.lowercase);
  }
  std::string operator()(const Precompiled& step) const {
    return fmt::format(R"({{"type": "Precompiled", "precompiled_charsmap": "{}"}})",
                       encode_base64(step.charsmap));
  }
  std::string operator()(const Nmt&) const { return R"({"type": "Nmt"})"; }
  std::string operator()(const SpellBytes&) const { return R"({"type": "ByteLevel"})"; }
  // The nearest that Hugging Face has: it does not know where the whole text begins.
  std::string operator()(const SentencePieceSpaces& step) const {
    std::vector<NormalizerStep> steps;
    if (step.remove_extra) {
      steps.emplace_back(Replace{{.text = " {2,}", .is_regex = true}, " "});
      steps.emplace_back(Replace{{.text = "\\A | \\z", .is_regex = true}, ""});
    }
    if (step.add_prefix) steps.emplace_back(Prepend{"\xE2\x96\x81"});
    steps.emplace_back(Replace{{.text = " "}, "\xE2\x96\x81"});
    return steps_json<Writer>(steps, "normalizers");
  }
};

}  // namespace

Result<std::vector<NormalizerStep>> read_normalizers(const JsonNode& root) {
  return read_steps(root, "normalizer", "normalizers", &read_normalizer);
}

std::string normalizers_json(const std::vector<NormalizerStep>& steps) {
  return steps_json<Writer>(steps, "normalizers");
}

}  // namespace farthing::tokenizer
