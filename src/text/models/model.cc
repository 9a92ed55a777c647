// The run-time table of the kinds, and what their readers share.
#include "text/models/model.h"

#include <fmt/format.h>

#include <charconv>

#include "text/json/steps.h"

namespace farthing::tokenizer {

std::span<const ModelKind> model_kinds() {
  static const ModelKind kinds[] = {
#define FARTHING_TOKENIZER_KIND(name) name##_kind(),
#include "text/models/kinds.inc"
#undef FARTHING_TOKENIZER_KIND
  };
  return kinds;
}

const ModelKind* find_model_kind(std::string_view name) {
  for (const ModelKind& kind : model_kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

std::string model_kind_names() {
  std::string names;
  for (const ModelKind& kind : model_kinds()) {
    if (!names.empty()) names += ", ";
    names += kind.name;
  }
  return names;
}

Result<void> add_token(const JsonNode& node, std::string text, std::int32_t id, std::size_t limit,
                       Spec* spec) {
  if (static_cast<std::size_t>(id) >= limit) {
    return node.refuse(fmt::format("token {}", id), fmt::format("ids below {}", limit));
  }
  if (spec->tokens.size() <= static_cast<std::size_t>(id)) spec->tokens.resize(id + 1);
  std::string& place = spec->tokens[id];
  if (!place.empty() && place != text) {
    return node.refuse(fmt::format("id {} for \"{}\" and for \"{}\"", id, place, text),
                       "one token for each id");
  }
  place = std::move(text);
  return {};
}

Result<void> read_vocabulary(const JsonNode& vocab, std::size_t limit, Spec* spec) {
  if (!vocab.is_object()) return vocab.refuse("an object from token to id");
  return vocab.each_id(
      [&](const std::string& text, std::optional<std::int32_t> id) -> Result<void> {
        if (text.empty()) return {};
        if (!id) {
          return vocab.refuse(fmt::format("\"{}\" without a whole number as id", text),
                              "an id of 0 or more");
        }
        return add_token(vocab, text, *id, limit, spec);
      });
}

std::string vocabulary_json(const Spec& spec) {
  std::vector<std::string> entries;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.tokens[id].empty()) continue;
    entries.push_back(fmt::format("{}: {}", quoted(spec.tokens[id]), id));
  }
  return fmt::format("{{{}}}", fmt::join(entries, ",\n      "));
}

std::vector<bool> tokens_of_text(const Spec& spec) {
  std::vector<bool> out(spec.tokens.size(), true);
  for (const AddedToken& token : spec.added) {
    if (token.special) out[static_cast<std::size_t>(token.id)] = false;
  }
  return out;
}

std::string byte_token(int byte) { return fmt::format("<0x{:02X}>", byte); }

int byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  if (error != std::errc() || end != token.data() + 5) return -1;
  return static_cast<int>(value);
}

}  // namespace farthing::tokenizer
