// The keys tokenizer.ggml.* of GGUF files.
#include "model/gguf/vocabulary.h"

#include <fmt/format.h>

namespace farthing {
namespace {

// A token's id or type, which no vocabulary has beyond 32 bits: cut off, it would be another one.
Result<int32_t> narrowed(int64_t value, std::string_view where, std::string_view key) {
  if (value >= 0 && value <= INT32_MAX) return static_cast<int32_t>(value);
  return fail({.what = "a number of the vocabulary is out of range",
               .where = fmt::format("{}, key tokenizer.ggml.{}", where, key),
               .got = std::to_string(value),
               .wanted = fmt::format("0 to {}", INT32_MAX),
               .remedy = "the file is damaged: take another file"});
}

}  // namespace

Result<GgufVocabulary> gguf_vocabulary(const GgufMetadata& metadata, std::string_view where) {
  const auto name = [](std::string_view key) { return fmt::format("tokenizer.ggml.{}", key); };
  const auto has = [&](std::string_view key) { return metadata.has(name(key)); };
  const auto id = [&](std::string_view key) -> Result<std::optional<int32_t>> {
    if (!has(key)) return std::nullopt;
    return TRY(narrowed(static_cast<int64_t>(TRY(metadata.integer(name(key)))), where, key));
  };
  const auto flag = [&](std::string_view key) -> Result<std::optional<bool>> {
    if (!has(key)) return std::nullopt;
    return TRY(metadata.boolean(name(key)));
  };
  GgufVocabulary out;
  out.model = TRY(metadata.string(name("model")));
  out.pre = TRY(metadata.string(name("pre"), ""));
  out.tokens = TRY(metadata.strings(name("tokens")));
  if (has("scores"))
    for (const double score : TRY(metadata.numbers(name("scores"))))
      out.scores.push_back(static_cast<float>(score));
  if (has("token_type"))
    for (const int64_t type : TRY(metadata.integers(name("token_type"))))
      out.types.push_back(TRY(narrowed(type, where, "token_type")));
  if (has("merges")) out.merges = TRY(metadata.strings(name("merges")));
  out.bos = TRY(id("bos_token_id"));
  out.eos = TRY(id("eos_token_id"));
  out.unknown = TRY(id("unknown_token_id"));
  out.cls = TRY(id("cls_token_id"));
  out.separator = TRY(id("seperator_token_id"));  // spelled so in the files
  out.add_bos = TRY(flag("add_bos_token"));
  out.add_eos = TRY(flag("add_eos_token"));
  out.add_space_prefix = TRY(flag("add_space_prefix"));
  out.remove_extra_spaces = TRY(flag("remove_extra_whitespaces"));
  if (has("precompiled_charsmap"))
    for (const int64_t byte : TRY(metadata.integers(name("precompiled_charsmap"))))
      out.charsmap.push_back(static_cast<char>(byte));
  return out;
}

void set_gguf_vocabulary(const GgufVocabulary& vocabulary, GgufMetadataBuilder& metadata) {
  const auto name = [](std::string_view key) { return fmt::format("tokenizer.ggml.{}", key); };
  const auto id = [&](std::string_view key, const std::optional<int32_t>& token) {
    if (token) metadata.set(name(key), static_cast<uint32_t>(*token));
  };
  const auto flag = [&](std::string_view key, const std::optional<bool>& value) {
    if (value) metadata.set(name(key), *value);
  };
  metadata.set(name("model"), vocabulary.model);
  if (!vocabulary.pre.empty()) metadata.set(name("pre"), vocabulary.pre);
  metadata.set(name("tokens"), vocabulary.tokens);
  if (!vocabulary.scores.empty()) metadata.set(name("scores"), vocabulary.scores);
  if (!vocabulary.types.empty()) metadata.set(name("token_type"), vocabulary.types);
  if (!vocabulary.merges.empty()) metadata.set(name("merges"), vocabulary.merges);
  id("bos_token_id", vocabulary.bos);
  id("eos_token_id", vocabulary.eos);
  id("unknown_token_id", vocabulary.unknown);
  flag("add_bos_token", vocabulary.add_bos);
  flag("add_eos_token", vocabulary.add_eos);
  flag("add_space_prefix", vocabulary.add_space_prefix);
}

}  // namespace farthing
