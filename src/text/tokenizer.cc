// The stages of a tokenizer, joined.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "text/models/model.h"
#include "text/pipeline/added_tokens.h"
#include "text/pipeline/normalizer.h"
#include "text/pipeline/pre_tokenizer.h"
#include "text/pipeline/spec.h"
#include "text/pipeline/token_decoder.h"
#include "text/unicode/byte_level.h"
#include "text/unicode/utf8.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the stages

struct Tokenizer::Parts {
  Spec spec;
  std::unordered_map<std::string_view, std::int32_t> ids;  // views into spec
  std::vector<bool> special;
  AddedTokens in_text, in_normalized_text;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<Model> model;
  bool spells_bytes;  // words are spelled out after ByteLevel
  TokenDecoder decoder;

  bool has(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < spec.tokens.size() && !spec.tokens[id].empty();
  }
};

namespace {

Result<void> check_ids(const Spec& spec, std::string_view where) {
  const auto count = static_cast<std::int64_t>(spec.tokens.size());
  const auto check = [&](std::int64_t id, std::string_view role) -> Result<void> {
    if (id >= 0 && id < count) return {};
    return fail({.what = "the tokenizer names a token that is outside its vocabulary",
                 .where = fmt::format("{}, {}", where, role),
                 .got = fmt::format("token {}", id),
                 .wanted = fmt::format("0 to {}", count - 1),
                 .remedy = "check that the tokenizer file is complete and unmodified"});
  };
  for (const AddedToken& token : spec.added) TRY(check(token.id, "added tokens"));
  for (const std::int32_t id : spec.whole) TRY(check(id, "tokens of the user"));
  for (const std::int32_t id : spec.prefix) TRY(check(id, "tokens put before a text"));
  for (const std::int32_t id : spec.suffix) TRY(check(id, "tokens put after a text"));
  if (spec.unknown) TRY(check(*spec.unknown, "unknown token"));
  if (spec.bos) TRY(check(*spec.bos, "beginning-of-text token"));
  if (spec.eos) TRY(check(*spec.eos, "end-of-text token"));
  return {};
}

Result<bool> is_byte_level(const Spec& spec, std::string_view where) {
  const auto& steps = spec.pre_tokenizers;
  const auto found = std::find_if(steps.begin(), steps.end(), [](const PreTokenizerStep& step) {
    return std::holds_alternative<ByteLevel>(step);
  });
  if (found != steps.end() && found + 1 != steps.end()) {
    return fail({.what = "the pre-tokenizer goes on after ByteLevel",
                 .where = std::string(where),
                 .got = fmt::format("{} steps after it", steps.end() - found - 1),
                 .wanted = "ByteLevel as the last step",
                 .remedy = "this tokenizer is not supported; convert the model with another one"});
  }
  return found != steps.end();
}

}  // namespace

Result<Tokenizer> make_tokenizer(Spec spec, std::string_view where) {
  TRY(check_ids(spec, where));
  const bool byte_level = TRY(is_byte_level(spec, where));
  Normalizer normalizer = TRY(Normalizer::compile(spec.normalizers, where));
  PreTokenizer pre_tokenizer = TRY(PreTokenizer::compile(spec.pre_tokenizers, where));
  TokenDecoder decoder = TRY(make_token_decoder(spec, normalizer, where));
  const ModelKind* kind = find_model_kind(spec.kind);
  CHECK(kind != nullptr);
  std::unique_ptr<Model> model = TRY(kind->make(spec, byte_level, where));
  auto parts = std::make_shared<Tokenizer::Parts>(Tokenizer::Parts{
      .spec = std::move(spec),
      .ids = {},
      .special = {},
      .in_text = {},
      .in_normalized_text = {},
      .normalizer = std::move(normalizer),
      .pre_tokenizer = std::move(pre_tokenizer),
      .model = std::move(model),
      .spells_bytes = byte_level && !kind->reads_bytes,
      .decoder = std::move(decoder),
  });
  const Spec& kept = parts->spec;
  for (std::size_t id = 0; id < kept.tokens.size(); ++id) {
    if (!kept.tokens[id].empty())
      parts->ids.emplace(kept.tokens[id], static_cast<std::int32_t>(id));
  }
  parts->special.resize(kept.tokens.size());
  for (const AddedToken& token : kept.added) {
    parts->special[token.id] = token.special;
    if (token.normalized) {
      std::string buffer;
      parts->in_normalized_text.add(
          token, std::string(parts->normalizer.normalize(token.content, &buffer)));
    } else {
      parts->in_text.add(token, token.content);
    }
  }
  return Tokenizer(std::move(parts));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  const Parts& parts = *parts_;
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = replace_invalid_utf8(text);
    text = repaired;
  }
  std::vector<std::int32_t> ids;
  if (options.add_special_tokens) ids = parts.spec.prefix;
  const auto scratch = parts.model->make_scratch();
  const PreTokenizer::Sink encode_word = [&](std::string_view word) {
    if (parts.spells_bytes) {
      parts.model->encode(spell_bytes(word), scratch.get(), &ids);
    } else {
      parts.model->encode(word, scratch.get(), &ids);
    }
  };
  std::string normalized;
  bool begun = false;  // with more than special tokens
  parts.in_text.split(text, options.parse_special, [&](std::string_view part, auto id) {
    if (id) {
      begun = begun || !parts.special[*id];
      return ids.push_back(*id);
    }
    const bool last = part.data() + part.size() == text.data() + text.size();
    const std::string_view rewritten =
        parts.normalizer.normalize(part, &normalized, {.first = !begun, .last = last});
    begun = begun || !rewritten.empty();
    parts.in_normalized_text.split(
        rewritten, options.parse_special, [&](std::string_view piece, auto piece_id) {
          if (piece_id) return ids.push_back(*piece_id);
          const bool first = part.data() == text.data() && piece.data() == rewritten.data();
          parts.pre_tokenizer.split(piece, first, encode_word);
        });
  });
  if (options.add_special_tokens) {
    ids.insert(ids.end(), parts.spec.suffix.begin(), parts.spec.suffix.end());
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamDecoder stream(*this, false, options);
  std::string text;
  for (const std::int32_t id : ids) text += stream.feed(id);
  return text + stream.finish();
}

std::string_view Tokenizer::token_bytes(std::int32_t id) const {
  return parts_->has(id) ? parts_->decoder.bytes[id] : std::string_view();
}

std::string_view Tokenizer::token_text(std::int32_t id) const {
  return parts_->has(id) ? parts_->spec.tokens[id] : std::string_view();
}

std::optional<std::int32_t> Tokenizer::token_id(std::string_view text) const {
  const auto found = parts_->ids.find(text);
  if (found == parts_->ids.end()) return std::nullopt;
  return found->second;
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(parts_->spec.tokens.size());
}

bool Tokenizer::is_special(std::int32_t id) const { return parts_->has(id) && parts_->special[id]; }
std::optional<std::int32_t> Tokenizer::bos_id() const { return parts_->spec.bos; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return parts_->spec.eos; }
const Spec& Tokenizer::spec() const { return parts_->spec; }

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool continues_text, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)),
      options_(options),
      strip_count_(continues_text ? 0 : tokenizer_.parts_->decoder.strip_count),
      at_first_token_(!continues_text) {}

std::string StreamDecoder::feed(std::int32_t id) {
  const Tokenizer::Parts& parts = *tokenizer_.parts_;
  if (!parts.has(id) || (options_.skip_special_tokens && parts.special[id])) return {};
  const TokenDecoder& decoder = parts.decoder;
  const bool first = std::exchange(at_first_token_, false);
  if (!first) pending_ += decoder.separator;
  pending_ += std::exchange(if_more_, {});
  if_last_.clear();
  const std::string& bytes =
      first && !decoder.first.empty() ? decoder.first[id] : decoder.bytes[id];
  if (decoder.last.empty()) {
    pending_ += bytes;
  } else {  // certain is what both have in common
    const std::string& last = decoder.last[id];
    const auto differs = std::mismatch(bytes.begin(), bytes.end(), last.begin(), last.end());
    pending_.append(bytes.begin(), differs.first);
    if_more_.assign(differs.first, bytes.end());
    if_last_.assign(differs.second, last.end());
  }
  std::string text;
  take_whole_characters(&pending_, &text);
  while (strip_count_ > 0 && !text.empty()) {
    if (text.starts_with(decoder.strip)) {
      text.erase(0, decoder.strip.size());
      --strip_count_;
    } else {
      strip_count_ = 0;
    }
  }
  return text;
}

std::string StreamDecoder::finish() {
  return replace_invalid_utf8(std::exchange(pending_, {}) + std::exchange(if_last_, {}));
}

}  // namespace farthing
