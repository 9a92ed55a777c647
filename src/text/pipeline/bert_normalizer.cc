// The four parts of BERT's normalizer, in its order. Source: BERT's tokenization.py.
#include "text/pipeline/bert_normalizer.h"

#include "text/pipeline/normal_form.h"
#include "text/unicode/character_class.h"

namespace farthing::tokenizer {
namespace {

void clean(std::string* text) {
  rewrite_characters(text, [](char32_t c, std::string_view spelled, std::string* out) {
    if (is_removed_by_bert(c)) return;
    out->append(is_white_space(c) ? " " : spelled);
  });
}

void surround_ideographs(std::string* text) {
  rewrite_characters(text, [](char32_t c, std::string_view spelled, std::string* out) {
    const bool ideograph = c >= 0x3400 && is_chinese_character(c);
    if (ideograph) *out += ' ';
    out->append(spelled);
    if (ideograph) *out += ' ';
  });
}

void remove_accents(std::string* text) {
  normalize_form(NormalForm::kNfd, text);
  rewrite_characters(text, [](char32_t c, std::string_view spelled, std::string* out) {
    if (c < 0x300 || !is_nonspacing_mark(c)) out->append(spelled);
  });
}

}  // namespace

void normalize_bert(const BertNormalizer& step, std::string* text) {
  if (step.clean_text) clean(text);
  if (step.handle_chinese_chars) surround_ideographs(text);
  if (step.strip_accents) remove_accents(text);
  if (step.lowercase) lowercase(text);
}

}  // namespace farthing::tokenizer
