// GGUF's vocabularies as tokenizer specifications.
#include "text/tokenizer_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "text/gguf/kinds.h"
#include "text/pipeline/spec.h"
#include "text/sentencepiece/pieces.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the parts of a specification

namespace tokenizer {

tl::unexpected<Error> gguf_misfit(std::string_view where, std::string_view field, std::string got,
                                  std::string wanted) {
  return fail({.what = "the vocabulary of the GGUF file contradicts itself",
               .where = fmt::format("{}, tokenizer.ggml.{}", where, field),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "download the file again, or convert it anew"});
}

}  // namespace tokenizer

namespace {

using Fill = Result<void> (*)(const GgufVocabulary&, std::string_view, Spec*);
constexpr std::pair<std::string_view, Fill> kKinds[] = {{"bert", fill_bert},
                                                        {"gpt2", fill_byte_level},
                                                        {"llama", fill_gguf_bpe},
                                                        {"t5", fill_gguf_unigram}};

// As in llama.cpp they are looked for in the text itself, before it is normalized.
void add_user_tokens(const GgufVocabulary& vocabulary, Spec* spec) {
  spec->whole.clear();
  for (std::size_t i = 0; i < vocabulary.types.size(); ++i) {
    if (vocabulary.types[i] == kUserDefined && !spec->tokens[i].empty())
      spec->added.push_back({.id = static_cast<std::int32_t>(i), .content = spec->tokens[i]});
  }
}

}  // namespace

Result<Tokenizer> tokenizer_from_gguf(const GgufVocabulary& vocabulary, std::string_view where) {
  if (vocabulary.tokens.empty()) return gguf_misfit(where, "tokens", "none", "at least one token");
  if (!vocabulary.types.empty() && vocabulary.types.size() != vocabulary.tokens.size()) {
    return gguf_misfit(where, "token_type", fmt::format("{} types", vocabulary.types.size()),
                       fmt::format("one for each of {} tokens", vocabulary.tokens.size()));
  }
  Spec spec;
  spec.tokens = vocabulary.tokens;
  spec.bos = vocabulary.bos;
  spec.eos = vocabulary.eos;
  add_special_tokens(vocabulary.types, &spec);
  const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& entry) {
    return entry.first == vocabulary.model;
  });
  if (kind == std::end(kKinds)) {
    return fail({.what = "the GGUF file has a kind of tokenizer that is not known",
                 .where = fmt::format("{}, tokenizer.ggml.model", where),
                 .got = fmt::format("\"{}\"", vocabulary.model),
                 .wanted = "bert, gpt2, llama or t5",
                 .remedy = "use a model with a tokenizer of one of these kinds"});
  }
  TRY(kind->second(vocabulary, where, &spec));
  if (spec.kind != "Unigram") add_user_tokens(vocabulary, &spec);
  if (spec.suffix.empty() && vocabulary.eos && vocabulary.add_eos.value_or(false))
    spec.suffix = {*vocabulary.eos};
  return make_tokenizer(std::move(spec), where);
}

}  // namespace farthing
