// BERT's WordPiece from GGUF (tokenizer.ggml.model is "bert").
#include "text/gguf/kinds.h"
#include "text/models/wordpiece.h"
#include "text/sentencepiece/pieces.h"

namespace farthing::tokenizer {

// The file marks the tokens that begin a word with U+2581; here those that continue one are marked.
Result<void> fill_bert(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  constexpr std::string_view kBegin = "\xE2\x96\x81";  // U+2581
  const WordPieceOptions options{.prefix = "##", .longest_word = 0x7FFFFFFF};
  for (std::size_t i = 0; i < spec->tokens.size(); ++i) {
    std::string& token = spec->tokens[i];
    const std::int32_t type = vocabulary.types.empty() ? kNormal : vocabulary.types[i];
    if (type != kNormal || token.empty()) continue;
    if (token.starts_with(kBegin)) {
      token.erase(0, kBegin.size());
    } else if (!(token.starts_with("[") && token.ends_with("]"))) {
      token.insert(0, options.prefix);
    }
  }
  if (!vocabulary.unknown) {
    return gguf_misfit(where, "unknown_token_id", "none", "the token of unknown words");
  }
  spec->kind = "WordPiece";
  spec->model = options;
  spec->unknown = vocabulary.unknown;
  spec->normalizers = {BertNormalizer{}};
  spec->pre_tokenizers = {BertPreTokenizer{}};
  spec->decoders = {WordPieceDecoder{}};
  const auto first = vocabulary.cls ? vocabulary.cls : vocabulary.bos;
  const auto last = vocabulary.separator ? vocabulary.separator : vocabulary.eos;
  if (first && vocabulary.add_bos.value_or(true)) spec->prefix = {*first};
  if (last && vocabulary.add_eos.value_or(true)) spec->suffix = {*last};
  return {};
}

}  // namespace farthing::tokenizer
