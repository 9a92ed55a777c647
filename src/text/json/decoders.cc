// The decoders of tokenizer.json, read and written.
#include "text/json/stages.h"
#include "text/json/steps.h"

namespace farthing::tokenizer {
namespace {

constexpr const char* kKnown =
    "BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, WordPiece or Sequence";

Result<DecoderStep> read_decoder(const JsonNode& node, const std::string& type) {
  if (type == "ByteLevel") return ByteLevel{};
  if (type == "Replace") return TRY(read_replace(node));
  if (type == "ByteFallback") return ByteFallback{};
  if (type == "Fuse") return Fuse{};
  if (type == "Metaspace") return TRY(read_metaspace(node));
  if (type == "WordPiece") {
    WordPieceDecoder step;
    if (node.has("prefix")) step.prefix = TRY(node.text("prefix"));
    step.cleanup = TRY(node.boolean("cleanup", true));
    return step;
  }
  if (type == "BPEDecoder") {
    BpeDecoder step;
    if (node.has("suffix")) step.suffix = TRY(node.text("suffix"));
    if (step.suffix.empty()) return node.refuse("a BPEDecoder with a \"suffix\"");
    return step;
  }
  if (type == "Strip") {
    Strip strip;
    strip.content = TRY(node.text("content"));
    strip.start = static_cast<std::uint32_t>(TRY(TRY(node.at("start")).count()));
    strip.stop = static_cast<std::uint32_t>(TRY(TRY(node.at("stop")).count()));
    if (strip.content.empty()) return node.refuse("a Strip with a \"content\" of one character");
    return strip;
  }
  return node.refuse(fmt::format("a decoder of type \"{}\"", type), kKnown);
}

// One overload for each kind of step.
struct Writer {
  std::string operator()(const ByteLevel&) const {
    return R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})";
  }
  std::string operator()(const Replace& step) const { return replace_json(step); }
  std::string operator()(const ByteFallback&) const { return R"({"type": "ByteFallback"})"; }
  std::string operator()(const Fuse&) const { return R"({"type": "Fuse"})"; }
  std::string operator()(const Strip& step) const {
    return fmt::format(R"({{"type": "Strip", "content": {}, "start": {}, "stop": {}}})",
                       quoted(step.content), step.start, step.stop);
  }
  std::string operator()(const Metaspace& step) const { return metaspace_json(step); }
  std::string operator()(const WordPieceDecoder& step) const {
    return fmt::format(R"({{"type": "WordPiece", "prefix": {}, "cleanup": {}}})",
                       quoted(step.prefix), step.cleanup);
  }
  std::string operator()(const BpeDecoder& step) const {
    return fmt::format(R"({{"type": "BPEDecoder", "suffix": {}}})", quoted(step.suffix));
  }
};

}  // namespace

Result<std::vector<DecoderStep>> read_decoders(const JsonNode& root) {
  return read_steps(root, "decoder", "decoders", &read_decoder);
}

std::string decoders_json(const std::vector<DecoderStep>& steps) {
  return steps_json<Writer>(steps, "decoders");
}

}  // namespace farthing::tokenizer
