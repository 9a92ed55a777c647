// Reduces decoder steps to a table of bytes.
#include "text/pipeline/token_decoder.h"

#include <charconv>
#include <optional>

#include "text/pipeline/pattern_matcher.h"
#include "text/unicode/byte_level.h"

namespace farthing::tokenizer {
namespace {

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

Result<void> check_order(const std::vector<DecoderStep>& steps, std::string_view where) {
  const auto refuse = [&](std::string got) {
    return fail(
        {.what = "the decoder of the tokenizer is a chain of steps in an unknown order",
         .where = std::string(where),
         .got = std::move(got),
         .wanted = "ByteLevel, Replace, ByteFallback and Metaspace, then Fuse, then one Strip",
         .remedy = "convert the tokenizer with the transformers package, or report the model"});
  };
  bool fused = false, stripped = false;
  for (const DecoderStep& step : steps) {
    if (std::holds_alternative<Fuse>(step)) {
      fused = true;
    } else if (fused && !std::holds_alternative<Strip>(step)) {
      return refuse("another step than Strip after Fuse");
    } else if (fused && stripped) {
      return refuse("two Strip after Fuse");
    } else if (fused) {
      stripped = true;
    }
  }
  return {};
}

}  // namespace

Result<TokenDecoder> make_token_decoder(const Spec& spec, const Normalizer& normalizer,
                                        std::string_view where) {
  TRY(check_order(spec.decoders, where));
  TokenDecoder decoder;
  decoder.bytes = spec.tokens;
  std::string buffer;
  for (const AddedToken& token : spec.added) {
    // What it matched in the text: Prepend, for one, gave it a space.
    if (token.normalized) decoder.bytes[token.id] = normalizer.normalize(token.content, &buffer);
  }
  if (spec.decoders.empty()) decoder.separator = " ";
  bool fused = false;
  for (const DecoderStep& step : spec.decoders) {
    if (std::holds_alternative<Fuse>(step)) {
      fused = true;
    } else if (const auto* strip = std::get_if<Strip>(&step); strip != nullptr && fused) {
      decoder.strip = strip->content;
      decoder.strip_count = strip->start;
    } else if (strip != nullptr) {
      for (std::string& token : decoder.bytes) {
        for (std::uint32_t i = 0; i < strip->start && token.starts_with(strip->content); ++i) {
          token.erase(0, strip->content.size());
        }
      }
    } else if (std::holds_alternative<ByteLevel>(step)) {
      for (std::string& token : decoder.bytes) {
        if (auto bytes = bytes_of_spelling(token)) token = std::move(*bytes);
      }
    } else if (std::holds_alternative<ByteFallback>(step)) {
      for (std::string& token : decoder.bytes) {
        if (const auto byte = fallback_byte(token)) token.assign(1, *byte);
      }
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      const PatternMatcher matcher = TRY(PatternMatcher::compile(replace->pattern, where));
      for (std::string& token : decoder.bytes) token = matcher.replace_all(token, replace->content);
    } else {
      const auto& metaspace = std::get<Metaspace>(step);
      const PatternMatcher matcher =
          TRY(PatternMatcher::compile({.text = metaspace.replacement}, where));
      for (std::string& token : decoder.bytes) token = matcher.replace_all(token, " ");
      decoder.strips_first_token = metaspace.prepend != PrependScheme::kNever;
    }
  }
  // Other added tokens stand for their own text, whatever the vocabulary's spelling is.
  for (const AddedToken& token : spec.added) {
    if (!token.normalized) decoder.bytes[token.id] = token.content;
  }
  return decoder;
}

}  // namespace farthing::tokenizer
