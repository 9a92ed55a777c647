// vocab.txt as a tokenizer.
#include <fmt/format.h>

#include <algorithm>

#include "text/files/classes.h"
#include "text/models/wordpiece.h"
#include "text/tokenizer_files.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the parts of a specification

namespace {

constexpr TokenizerClass kClasses[] = {{"BertTokenizer", false, false},
                                       {"DistilBertTokenizer", false, false},
                                       {"ElectraTokenizer", false, false},
                                       {"MPNetTokenizer", false, false}};

}  // namespace

Result<Tokenizer> tokenizer_from_vocab_txt(std::string_view file, std::string_view where,
                                           const TokenizerConfig& given) {
  const TokenizerClass kind = TRY(find_tokenizer_class(kClasses, given, where));
  TokenizerConfig config = given;
  if (!config.unk_token) config.unk_token = "[UNK]";
  if (!config.cls_token) config.cls_token = "[CLS]";
  if (!config.sep_token) config.sep_token = "[SEP]";
  if (!config.pad_token) config.pad_token = "[PAD]";
  if (!config.mask_token) config.mask_token = "[MASK]";
  Spec spec;
  while (!file.empty()) spec.tokens.emplace_back(take_line(&file));
  TRY(add_configured_tokens(config, kind, where, &spec));
  const auto named = [&](const std::string& name) -> Result<std::int32_t> {
    const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), name);
    if (found != spec.tokens.end()) return static_cast<std::int32_t>(found - spec.tokens.begin());
    return fail({.what = "the vocabulary lacks a token that BERT's tokenizer needs",
                 .where = std::string(where),
                 .got = fmt::format("{} other tokens", spec.tokens.size()),
                 .wanted = name,
                 .remedy = "check that tokenizer_config.json belongs to this file"});
  };
  spec.unknown = TRY(named(*config.unk_token));
  spec.kind = "WordPiece";
  spec.model = WordPieceOptions{};
  const bool lowercase = config.do_lower_case.value_or(true);
  spec.normalizers = {
      BertNormalizer{.handle_chinese_chars = config.tokenize_chinese_chars.value_or(true),
                     .strip_accents = config.strip_accents.value_or(lowercase),
                     .lowercase = lowercase}};
  spec.pre_tokenizers = {BertPreTokenizer{}};
  spec.decoders = {WordPieceDecoder{}};
  spec.prefix = {TRY(named(*config.cls_token))};
  spec.suffix = {TRY(named(*config.sep_token))};
  return make_tokenizer(std::move(spec), where);
}

}  // namespace farthing
