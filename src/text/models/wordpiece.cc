// Greedy longest match. Source: BERT's tokenization.py.
#include "text/models/wordpiece.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/json/steps.h"
#include "text/models/model.h"
#include "text/models/trie.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

using Entries = std::vector<std::pair<std::string, std::int32_t>>;

class WordPiece : public Model {
 public:
  WordPiece(const Spec& spec, const WordPieceOptions& options)
      : first_(entries(spec, "")),
        rest_(entries(spec, options.prefix)),
        unknown_(*spec.unknown),
        longest_word_(static_cast<std::size_t>(options.longest_word)) {}

  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Scratch>(); }

  void encode(std::string_view word, Scratch*, std::vector<std::int32_t>* ids) const override {
    const std::size_t before = ids->size();
    const auto characters = static_cast<std::size_t>(
        std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    bool known = characters <= longest_word_;
    for (std::size_t i = 0; known && i < word.size();) {
      std::int32_t id = -1;
      const std::size_t longest = (i == 0 ? first_ : rest_).longest(word.substr(i), &id);
      known = id >= 0;
      if (known) ids->push_back(id);
      i += longest;
    }
    if (known) return;
    ids->resize(before);
    ids->push_back(unknown_);
  }

 private:
  // The tokens that begin with `prefix`, without it. Tokens that are part of a character are left
  // out: a match ends between characters.
  static Entries entries(const Spec& spec, std::string_view prefix) {
    Entries out;
    const std::vector<bool> of_text = tokens_of_text(spec);
    for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
      const std::string& token = spec.tokens[i];
      if (of_text[i] && token.starts_with(prefix) && is_valid_utf8(token))
        out.emplace_back(token.substr(prefix.size()), static_cast<std::int32_t>(i));
    }
    return out;
  }

  Trie first_, rest_;
  std::int32_t unknown_;
  std::size_t longest_word_;
};

Result<void> read(const JsonNode& model, std::size_t limit, Spec* spec) {
  TRY(read_vocabulary(TRY(model.at("vocab")), limit, spec));
  const std::string unknown = TRY(model.text("unk_token"));
  const auto found = std::find(spec->tokens.begin(), spec->tokens.end(), unknown);
  if (found == spec->tokens.end()) {
    return TRY(model.at("unk_token")).refuse("a token of the vocabulary");
  }
  spec->unknown = static_cast<std::int32_t>(found - spec->tokens.begin());
  WordPieceOptions options;
  if (model.has("continuing_subword_prefix"))
    options.prefix = TRY(model.text("continuing_subword_prefix"));
  options.longest_word = TRY(model.count("max_input_chars_per_word", options.longest_word));
  spec->model = std::move(options);
  return {};
}

std::string write(const Spec& spec) {
  const auto& options = std::any_cast<const WordPieceOptions&>(spec.model);
  return fmt::format(R"({{"type": "WordPiece", "unk_token": {}, "continuing_subword_prefix": {}, )"
                     R"("max_input_chars_per_word": {},)"
                     "\n    \"vocab\": {}}}",
                     quoted(spec.tokens[*spec.unknown]), quoted(options.prefix),
                     options.longest_word, vocabulary_json(spec));
}

Result<std::unique_ptr<Model>> make(const Spec& spec, bool, std::string_view where) {
  if (!spec.unknown) {
    return fail({.what = "a WordPiece tokenizer without a token for unknown words",
                 .where = std::string(where),
                 .got = "none",
                 .wanted = "an unknown token, such as [UNK]",
                 .remedy = "check that the tokenizer file is complete and unmodified"});
  }
  return std::make_unique<WordPiece>(spec, std::any_cast<const WordPieceOptions&>(spec.model));
}

}  // namespace

ModelKind wordpiece_kind() {
  return {.name = "WordPiece", .read = read, .write = write, .make = make};
}

}  // namespace farthing::tokenizer
