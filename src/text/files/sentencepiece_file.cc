// tokenizer.model as a tokenizer.
#include <fmt/format.h>

#include "text/files/classes.h"
#include "text/sentencepiece/model_file.h"
#include "text/tokenizer_files.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the parts of a specification

namespace {

// transformers' classes whose ids are those of the file.
constexpr TokenizerClass kClasses[] = {
    {"LlamaTokenizer", true, false},     {"CodeLlamaTokenizer", true, false},
    {"GemmaTokenizer", true, false},     {"T5Tokenizer", false, true},
    {"BaichuanTokenizer", false, false}, {"InternLM2Tokenizer", true, false},
    {"ReformerTokenizer", false, false}, {"BertGenerationTokenizer", false, false}};

// transformers' "legacy": false: the space before a text is not put behind special tokens too.
void put_prefix_at_the_start_only(Spec* spec) {
  const auto is_prepend = [](const NormalizerStep& step) {
    return std::holds_alternative<Prepend>(step);
  };
  if (std::erase_if(spec->normalizers, is_prepend) == 0) return;
  spec->normalizers.clear();  // the other step is Metaspace's too
  spec->pre_tokenizers = {Metaspace{.prepend = PrependScheme::kFirst, .split = false}};
}

}  // namespace

Result<Tokenizer> tokenizer_from_sentencepiece(std::string_view file, std::string_view where,
                                               const TokenizerConfig& config) {
  SentencePieceModel model = TRY(parse_sentencepiece_model(file, where));
  const TokenizerClass kind = TRY(find_tokenizer_class(kClasses, config, where));
  Spec spec;
  spec.tokens = std::move(model.tokens);
  spec.unknown = model.unknown;
  spec.bos = model.bos;
  spec.eos = model.eos;
  const std::string lists = fmt::format("{}, ", where);
  if (model.kind == SentencePieceModel::kBpe) {
    TRY(fill_bpe(model.pieces, lists, &spec));
  } else {
    TRY(fill_unigram(model.pieces, lists, &spec));
  }
  if (!config.legacy.value_or(true)) put_prefix_at_the_start_only(&spec);
  add_special_tokens(model.pieces.types, &spec);
  TRY(add_configured_tokens(config, kind, where, &spec));
  put_bos_and_eos(config, kind, &spec);
  return make_tokenizer(std::move(spec), where);
}

}  // namespace farthing
