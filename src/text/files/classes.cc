// Tokens by name, and what stands around a text.
#include "text/files/classes.h"

#include <fmt/format.h>

#include <algorithm>

namespace farthing::tokenizer {
namespace {

tl::unexpected<Error> refuse(std::string_view where, std::string got, std::string wanted) {
  return fail({.what = "tokenizer_config.json does not fit the files of the tokenizer",
               .where = std::string(where),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "save the tokenizer with transformers (save_pretrained), which writes a "
                         "tokenizer.json"});
}

std::optional<std::int32_t> id_of(const Spec& spec, std::string_view text) {
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (found == spec.tokens.end() || text.empty()) return std::nullopt;
  return static_cast<std::int32_t>(found - spec.tokens.begin());
}

Result<void> place_token(const AddedToken& token, std::size_t limit, std::string_view where,
                         Spec* spec) {
  const auto id = static_cast<std::size_t>(token.id);
  if (id >= limit)
    return refuse(where, fmt::format("id {} for \"{}\"", id, token.content),
                  fmt::format("ids below {}", limit));
  if (id >= spec->tokens.size()) spec->tokens.resize(id + 1);
  if (!spec->tokens[id].empty() && spec->tokens[id] != token.content)
    return refuse(
        where, fmt::format("id {} for \"{}\" and for \"{}\"", id, spec->tokens[id], token.content),
        "one token for each id");
  spec->tokens[id] = token.content;
  std::erase_if(spec->added, [&](const AddedToken& other) { return other.id == token.id; });
  spec->added.push_back(token);
  return {};
}

void make_special(std::int32_t id, Spec* spec) {
  const auto found = std::find_if(spec->added.begin(), spec->added.end(),
                                  [&](const AddedToken& token) { return token.id == id; });
  if (found != spec->added.end()) {
    found->special = true;
  } else {
    spec->added.push_back(
        {.id = id, .content = spec->tokens[static_cast<std::size_t>(id)], .special = true});
  }
}

}  // namespace

Result<TokenizerClass> find_tokenizer_class(std::span<const TokenizerClass> classes,
                                            const TokenizerConfig& config, std::string_view where) {
  const std::string_view name = config.tokenizer_class;
  if (name.empty() || name == "PreTrainedTokenizer") return classes.front();
  std::vector<std::string_view> known;
  for (const TokenizerClass& entry : classes) {
    if (entry.name == name) return entry;
    known.push_back(entry.name);
  }
  return refuse(where, fmt::format("tokenizer_class \"{}\"", name),
                fmt::format("one of {}", fmt::join(known, ", ")));
}

Result<void> add_configured_tokens(const TokenizerConfig& config, const TokenizerClass& kind,
                                   std::string_view where, Spec* spec) {
  const std::size_t limit = 2 * (spec->tokens.size() + config.added.size()) + 1024;
  for (const AddedToken& token : config.added) TRY(place_token(token, limit, where, spec));
  // A token that is named and not in the vocabulary would get a new id; the model has none for it.
  const auto special = [&](const std::optional<std::string>& name, std::string_view otherwise) {
    const auto id = id_of(*spec, name ? std::string_view(*name) : otherwise);
    if (id) make_special(*id, spec);
    return id;
  };
  if (const auto id = special(config.bos_token, kind.bos)) spec->bos = id;
  if (const auto id = special(config.eos_token, kind.eos)) spec->eos = id;
  if (const auto id = special(config.unk_token, kind.unk)) spec->unknown = id;
  special(config.pad_token, "");
  special(config.cls_token, "");
  special(config.sep_token, "");
  special(config.mask_token, "");
  return {};
}

void put_bos_and_eos(const TokenizerConfig& config, const TokenizerClass& kind, Spec* spec) {
  if (spec->bos && config.add_bos_token.value_or(kind.add_bos)) spec->prefix = {*spec->bos};
  if (spec->eos && config.add_eos_token.value_or(kind.add_eos)) spec->suffix = {*spec->eos};
}

std::string_view take_line(std::string_view* text) {
  std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(text->size(), line.size() + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace farthing::tokenizer
