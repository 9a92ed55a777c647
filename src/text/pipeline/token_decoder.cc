// Reduces decoder steps to tables of bytes.
#include "text/pipeline/token_decoder.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "text/models/model.h"
#include "text/pipeline/pattern_matcher.h"
#include "text/unicode/byte_level.h"

namespace farthing::tokenizer {
namespace {

using Rewrite = std::function<void(std::string*)>;

Result<void> check_order(const std::vector<DecoderStep>& steps, std::string_view where) {
  const auto refuse = [&](std::string got) {
    return fail({.what = "the decoder of the tokenizer is a chain of steps in an unknown order",
                 .where = std::string(where),
                 .got = std::move(got),
                 .wanted = "steps for each token, then Fuse, then one Strip of the start",
                 .remedy = "convert the tokenizer with the transformers package, or report the "
                           "model"});
  };
  bool fused = false, stripped = false, bpe = false, first_differs = false;
  for (const DecoderStep& step : steps) {
    const auto* strip = std::get_if<Strip>(&step);
    const bool word_piece = std::holds_alternative<WordPieceDecoder>(step);
    bpe = bpe || std::holds_alternative<BpeDecoder>(step);
    if (word_piece && first_differs) return refuse("two steps that treat the first token apart");
    first_differs = first_differs || word_piece || std::holds_alternative<Metaspace>(step);
    if (std::holds_alternative<Fuse>(step)) {
      fused = true;
    } else if (fused && strip == nullptr) {
      return refuse("another step than Strip after Fuse");
    } else if (fused && strip->stop != 0) {
      return refuse("a Strip of the end after Fuse");
    } else if (fused && stripped) {
      return refuse("two Strip after Fuse");
    } else if (fused) {
      stripped = true;
    }
  }
  if (bpe && first_differs)
    return refuse("BPEDecoder with a step that treats the first token apart");
  return {};
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  std::string out;
  std::string_view rest = *text;
  for (std::size_t i; (i = rest.find(from)) != std::string_view::npos;) {
    out += rest.substr(0, i);
    out += to;
    rest.remove_prefix(i + from.size());
  }
  out += rest;
  text->swap(out);
}

// Source: the Python package tokenizers, decoders/wordpiece.rs.
void clean_up(std::string* text) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

void strip_ends(const Strip& strip, std::string* token) {
  std::string_view rest = *token;
  for (std::uint32_t i = 0; i < strip.start && rest.starts_with(strip.content); ++i)
    rest.remove_prefix(strip.content.size());
  for (std::uint32_t i = 0; i < strip.stop && rest.ends_with(strip.content); ++i)
    rest.remove_suffix(strip.content.size());
  *token = std::string(rest);
}

class Tables {
 public:
  explicit Tables(TokenDecoder* decoder) : decoder_(decoder) {}

  void rewrite(const Rewrite& rewrite) {
    for (auto* table : {&decoder_->bytes, &decoder_->first, &decoder_->last})
      for (std::string& token : *table) rewrite(&token);
  }
  void rewrite(const Rewrite& first, const Rewrite& others) {
    if (decoder_->first.empty()) decoder_->first = decoder_->bytes;
    for (std::string& token : decoder_->first) first(&token);
    for (std::string& token : decoder_->bytes) others(&token);
  }

  void operator()(const ByteLevel&) {
    rewrite([](std::string* token) {
      if (auto bytes = bytes_of_spelling(*token)) *token = std::move(*bytes);
    });
  }
  void operator()(const ByteFallback&) {
    rewrite([](std::string* token) {
      if (const int byte = byte_of_token(*token); byte >= 0)
        *token = std::string(1, static_cast<char>(byte));
    });
  }
  void operator()(const Fuse&) { fused_ = true; }
  void operator()(const Strip& strip) {
    if (fused_) {
      decoder_->strip = strip.content;
      decoder_->strip_count = strip.start;
    } else {
      rewrite([&](std::string* token) { strip_ends(strip, token); });
    }
  }
  void operator()(const Metaspace& step) {
    const bool prefixed = step.prepend != PrependScheme::kNever;
    rewrite([&](std::string* token) { replace_all(token, step.replacement, prefixed ? "" : " "); },
            [&](std::string* token) { replace_all(token, step.replacement, " "); });
  }
  void operator()(const WordPieceDecoder& step) {
    rewrite(
        [&](std::string* token) {
          if (step.cleanup) clean_up(token);
        },
        [&](std::string* token) {
          if (token->starts_with(step.prefix)) {
            token->erase(0, step.prefix.size());
          } else {
            token->insert(token->begin(), ' ');
          }
          if (step.cleanup) clean_up(token);
        });
  }
  void operator()(const BpeDecoder& step) {
    decoder_->last = decoder_->bytes;
    for (std::string& token : decoder_->last) replace_all(&token, step.suffix, "");
    for (std::string& token : decoder_->bytes) replace_all(&token, step.suffix, " ");
  }
  void operator()(const Replace&) {}  // may fail: see make_token_decoder

 private:
  TokenDecoder* decoder_;
  bool fused_ = false;
};

// Added tokens stand for their own text, not for bytes that they would spell.
void restore_added_tokens(const Spec& spec, TokenDecoder* decoder) {
  const bool spelled =
      std::any_of(spec.decoders.begin(), spec.decoders.end(),
                  [](const DecoderStep& step) { return std::holds_alternative<ByteLevel>(step); });
  for (const AddedToken& token : spec.added) {
    if (spelled && !token.normalized) decoder->bytes[token.id] = token.content;
  }
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
  Tables tables(&decoder);
  for (const DecoderStep& step : spec.decoders) {
    if (const auto* replace = std::get_if<Replace>(&step)) {
      const PatternMatcher matcher = TRY(PatternMatcher::compile(replace->pattern, where));
      tables.rewrite(
          [&](std::string* token) { *token = matcher.replace_all(*token, replace->content); });
    } else {
      std::visit([&](const auto& known) { tables(known); }, step);
    }
  }
  restore_added_tokens(spec, &decoder);
  return decoder;
}

}  // namespace farthing::tokenizer
