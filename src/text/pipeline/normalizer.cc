// The steps that rewrite a text, each as a function of the text.
#include "text/pipeline/normalizer.h"

#include "text/pipeline/bert_normalizer.h"
#include "text/pipeline/charsmap.h"
#include "text/pipeline/normal_form.h"
#include "text/pipeline/pattern_matcher.h"
#include "text/pipeline/spaces.h"
#include "text/unicode/byte_level.h"
#include "text/unicode/character_class.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

using Step = std::function<void(std::string*, PartPlace)>;

// SentencePiece's nmt_ rules: controls go, all kinds of white space become spaces.
void normalize_nmt(std::string* text) {
  rewrite_characters(text, [](char32_t c, std::string_view spelled, std::string* out) {
    if ((c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
        c == 0x9F)
      return;
    const bool space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    out->append(space ? " " : spelled);
  });
}

void strip_spaces(const StripSpaces& step, std::string* text) {
  std::string_view rest = *text;
  while (step.left && !rest.empty() && is_white_space(first_character(rest).value))
    rest.remove_prefix(first_character(rest).bytes);
  while (step.right && !rest.empty()) {
    std::size_t begin = rest.size() - 1;
    while (begin > 0 && (rest[begin] & 0xC0) == 0x80) --begin;
    if (!is_white_space(first_character(rest.substr(begin)).value)) break;
    rest = rest.substr(0, begin);
  }
  *text = std::string(rest);
}

void strip_accents(std::string* text) {
  rewrite_characters(text, [](char32_t c, std::string_view spelled, std::string* out) {
    if (!is_combining_mark(c)) out->append(spelled);
  });
}

// One overload for each kind of step.
struct Compiler {
  std::string_view where;

  Result<Step> operator()(const Prepend& step) const {
    return [step](std::string* text, PartPlace) {
      if (!text->empty()) text->insert(0, step.text);
    };
  }
  Result<Step> operator()(const Replace& step) const {
    PatternMatcher matcher = TRY(PatternMatcher::compile(step.pattern, where));
    return [matcher = std::move(matcher), content = step.content](std::string* text, PartPlace) {
      *text = matcher.replace_all(*text, content);
    };
  }
  Result<Step> operator()(const NormalForm& form) const {
    return [form](std::string* text, PartPlace) { normalize_form(form, text); };
  }
  Result<Step> operator()(const Lowercase&) const {
    return [](std::string* text, PartPlace) { lowercase(text); };
  }
  Result<Step> operator()(const StripSpaces& step) const {
    return [step](std::string* text, PartPlace) { strip_spaces(step, text); };
  }
  Result<Step> operator()(const StripAccents&) const {
    return [](std::string* text, PartPlace) { strip_accents(text); };
  }
  Result<Step> operator()(const BertNormalizer& step) const {
    return [step](std::string* text, PartPlace) { normalize_bert(step, text); };
  }
  Result<Step> operator()(const Precompiled& step) const {
    Charsmap map = TRY(Charsmap::compile(step.charsmap, step.kept, where));
    return [map = std::move(map), longest = step.longest_match](std::string* text, PartPlace) {
      *text = longest ? map.replace_longest(*text) : map.replace_graphemes(*text);
    };
  }
  Result<Step> operator()(const Nmt&) const {
    return [](std::string* text, PartPlace) { normalize_nmt(text); };
  }
  Result<Step> operator()(const SpellBytes&) const {
    return [](std::string* text, PartPlace) { *text = spell_bytes(*text); };
  }
  Result<Step> operator()(const SentencePieceSpaces& step) const {
    return [step](std::string* text, PartPlace place) { arrange_spaces(step, place, text); };
  }
};

}  // namespace

Result<Normalizer> Normalizer::compile(const std::vector<NormalizerStep>& steps,
                                       std::string_view where) {
  Normalizer normalizer;
  for (const NormalizerStep& step : steps) {
    normalizer.steps_.push_back(TRY(std::visit(Compiler{where}, step)));
  }
  return normalizer;
}

std::string_view Normalizer::normalize(std::string_view text, std::string* buffer,
                                       PartPlace place) const {
  if (steps_.empty() || text.empty()) return text;
  *buffer = text;
  for (const Step& step : steps_) step(buffer, place);
  return *buffer;
}

}  // namespace farthing::tokenizer
