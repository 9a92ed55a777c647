// Tokenizer specifications as vocabularies of GGUF files: byte-level BPE ("gpt2") and
// SentencePiece's BPE ("llama").
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "text/gguf/kinds.h"
#include "text/models/model.h"
#include "text/sentencepiece/pieces.h"

namespace farthing {

using namespace tokenizer;  // NOLINT: the parts of a specification

namespace {

constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

tl::unexpected<Error> no_place(std::string_view where, std::string got, std::string wanted) {
  return fail({.what = "the tokenizer cannot be said in a GGUF file",
               .where = std::string(where),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "keep the model as a Hugging Face directory"});
}

// All that a file holds for a text's tokens, whichever kind.
Result<GgufVocabulary> tokens_of(const Spec& spec, std::string_view where) {
  GgufVocabulary out;
  out.tokens = spec.tokens;
  out.types.resize(spec.tokens.size(), kNormal);
  const auto set = [&](std::int32_t id, const std::string& text, std::int32_t type) {
    out.tokens[static_cast<std::size_t>(id)] = text;
    out.types[static_cast<std::size_t>(id)] = type;
  };
  for (const std::int32_t id : spec.whole)
    set(id, spec.tokens[static_cast<std::size_t>(id)], kUserDefined);
  for (const AddedToken& token : spec.added)
    set(token.id, token.content, token.special ? kControl : kUserDefined);
  for (std::size_t id = 0; id < out.tokens.size(); ++id)
    if (out.tokens[id].empty())
      set(static_cast<std::int32_t>(id), fmt::format("[PAD{}]", id), kUnused);
  out.bos = spec.bos;
  out.eos = spec.eos;
  out.unknown = spec.unknown;
  // what stands around a text
  const bool bos = spec.prefix.size() == 1, eos = spec.suffix.size() == 1;
  if (spec.prefix.size() > 1 || spec.suffix.size() > 1)
    return no_place(where,
                    fmt::format("{} tokens before a text and {} behind it", spec.prefix.size(),
                                spec.suffix.size()),
                    "at most one of each");
  if (bos) out.bos = spec.prefix[0];
  if (eos && spec.eos && *spec.eos != spec.suffix[0])
    return no_place(where, fmt::format("token {} behind a text", spec.suffix[0]),
                    fmt::format("the token that ends one, {}", *spec.eos));
  if (eos) out.eos = spec.suffix[0];
  out.add_bos = bos;
  out.add_eos = eos;
  return out;
}

// The patterns by which a byte-level tokenizer cuts a text, one after another.
Result<std::vector<std::string>> patterns_of(const Spec& spec, std::string_view where) {
  std::vector<std::string> out;
  for (const PreTokenizerStep& step : spec.pre_tokenizers) {
    if (const auto* split = std::get_if<Split>(&step)) {
      // what is kept where a pattern's matches are removed from between them is the same here:
      // these patterns match all of a text
      const bool isolated = split->behavior == SplitBehavior::kIsolated && !split->invert;
      const bool kept = split->behavior == SplitBehavior::kRemoved && split->invert;
      if (!split->pattern.is_regex || !(isolated || kept))
        return no_place(where, "a pre-tokenizer Split that drops or joins parts",
                        "one that isolates them");
      out.push_back(split->pattern.text);
    } else if (const auto* digits = std::get_if<Digits>(&step)) {
      out.emplace_back(digits->individual ? R"(\p{N})" : R"(\p{N}+)");
    } else if (const auto* bytes = std::get_if<ByteLevel>(&step)) {
      if (bytes->add_prefix_space)
        return no_place(where, "ByteLevel that puts a space before a text", "one that does not");
      if (bytes->use_regex) out.emplace_back(kGpt2Pattern);
    } else {
      return no_place(
          where, fmt::format("a pre-tokenizer (the {}th variant) beside ByteLevel", step.index()),
          "Split, Digits and ByteLevel");
    }
  }
  return out;
}

Result<GgufVocabulary> byte_level_of(const Spec& spec, std::string_view where) {
  for (const NormalizerStep& step : spec.normalizers) {
    // llama.cpp takes the text as it is; most texts are in this form
    const auto* form = std::get_if<NormalForm>(&step);
    if (form == nullptr || *form != NormalForm::kNfc)
      return no_place(where, "a normalizer of a byte-level tokenizer", "none, or NFC");
  }
  GgufVocabulary out = TRY(tokens_of(spec, where));
  const auto patterns = TRY(patterns_of(spec, where));
  out.model = "gpt2";
  out.pre = gguf_pre_tokenizer_name(patterns, spec.ignore_merges);
  if (out.pre.empty())
    return no_place(where,
                    fmt::format("the patterns {}{}", fmt::join(patterns, " , "),
                                spec.ignore_merges ? ", and ignore_merges" : ""),
                    fmt::format("those of one of {}", known_gguf_pre_tokenizers()));
  for (const Merge& merge : spec.merges)
    out.merges.push_back(spec.tokens[static_cast<std::size_t>(merge.left)] + " " +
                         spec.tokens[static_cast<std::size_t>(merge.right)]);
  return out;
}

// Whether spaces become U+2581, and one is put before a text; nothing where other steps are there.
std::optional<bool> prefixed_spaces(const Spec& spec) {
  bool prepends = false, replaces = false;
  for (const NormalizerStep& step : spec.normalizers) {
    if (const auto* prepend = std::get_if<Prepend>(&step);
        prepend != nullptr && prepend->text == kSpace && !replaces) {
      prepends = true;
    } else if (const auto* replace = std::get_if<Replace>(&step);
               replace != nullptr && !replace->pattern.is_regex && replace->pattern.text == " " &&
               replace->content == kSpace) {
      replaces = true;
    } else if (const auto* spaces = std::get_if<SentencePieceSpaces>(&step);
               spaces != nullptr && !spaces->remove_extra) {
      prepends = spaces->add_prefix;
      replaces = true;
    } else {
      return std::nullopt;
    }
  }
  for (const PreTokenizerStep& step : spec.pre_tokenizers) {
    const auto* split = std::get_if<Split>(&step);
    const auto* spaces = std::get_if<Metaspace>(&step);
    if (split != nullptr && replaces && !split->pattern.is_regex && split->pattern.text == " ")
      continue;  // there is none left
    if (spaces == nullptr || spaces->replacement != kSpace || spaces->split) return std::nullopt;
    prepends = prepends || spaces->prepend != PrependScheme::kNever;
    replaces = true;
  }
  if (!replaces) return std::nullopt;
  return prepends;
}

std::string with_spaces(std::string token) {
  for (std::size_t at; (at = token.find(kSpace)) != std::string::npos;)
    token.replace(at, std::string_view(kSpace).size(), " ");
  return token;
}

// Scores that order tokens as the merges that make them.
Result<std::vector<float>> scores_of(const Spec& spec, const std::vector<std::int32_t>& types,
                                     std::string_view where) {
  std::vector<Merge> merges = spec.merges;
  std::stable_sort(merges.begin(), merges.end(),
                   [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
  std::vector<float> out(types.size());
  std::vector<bool> scored(types.size());
  float next = 0;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto result = static_cast<std::size_t>(merges[i].result);
    if (scored[result]) continue;
    if (i == 0 || merges[i].rank != merges[i - 1].rank) next -= 1;
    out[result] = next;
    scored[result] = true;
  }
  // A reader takes tokens of the user whole before it merges: merges that make them are of no use
  // to it, and must come before all others, so that the rest finds the same.
  const auto is_whole = [&](const Merge& merge) {
    return types[static_cast<std::size_t>(merge.result)] == kUserDefined;
  };
  const bool first = std::is_partitioned(merges.begin(), merges.end(), is_whole);
  // a reader merges every two tokens whose joined text is a token
  Spec read;
  read.tokens = spec.tokens;
  TRY(fill_bpe({.scores = out, .types = types, .charsmap = {}}, where, &read));
  using Pair = std::pair<std::int32_t, std::int32_t>;
  std::vector<Pair> wanted, got;
  for (const Merge& merge : spec.merges)
    if (!is_whole(merge)) wanted.emplace_back(merge.left, merge.right);
  for (const Merge& merge : read.merges) got.emplace_back(merge.left, merge.right);
  std::sort(wanted.begin(), wanted.end());
  std::sort(got.begin(), got.end());
  float last = 0;
  for (const Merge& merge : merges) {
    const float score = out[static_cast<std::size_t>(merge.result)];
    if (!first || wanted != got || score > last)
      return no_place(where, fmt::format("{} merges that no scores of tokens give", merges.size()),
                      "merges of all pairs of tokens that are a token together, those of each "
                      "token beside each other");
    last = score;
  }
  return out;
}

Result<GgufVocabulary> sentencepiece_of(const Spec& spec, std::string_view where) {
  const auto prefixed = prefixed_spaces(spec);
  if (!prefixed || !spec.byte_fallback)
    return no_place(
        where, "a BPE of characters with other steps than SentencePiece's",
        "spaces as U+2581, characters that are no tokens as bytes, and no character map");
  GgufVocabulary out = TRY(tokens_of(spec, where));
  for (std::size_t id = 0; id < spec.tokens.size(); ++id)
    if (out.types[id] == kNormal && byte_of_token(spec.tokens[id]) >= 0) out.types[id] = kByte;
  if (spec.unknown) out.types[static_cast<std::size_t>(*spec.unknown)] = kUnknown;
  out.model = "llama";
  out.pre = "default";
  out.scores = TRY(scores_of(spec, out.types, where));
  out.add_space_prefix = *prefixed;
  // looked for in the text as it is
  for (std::size_t id = 0; id < out.tokens.size(); ++id)
    if (out.types[id] == kUserDefined) out.tokens[id] = with_spaces(out.tokens[id]);
  return out;
}

}  // namespace

void add_unused_tokens(std::size_t count, GgufVocabulary& vocabulary) {
  while (vocabulary.tokens.size() < count) {
    vocabulary.tokens.push_back(fmt::format("[PAD{}]", vocabulary.tokens.size()));
    vocabulary.types.push_back(kUnused);
    if (!vocabulary.scores.empty()) vocabulary.scores.push_back(-1e4f);
  }
}

Result<GgufVocabulary> gguf_vocabulary_of(const Tokenizer& tokenizer, std::string_view where) {
  const Spec& spec = tokenizer.spec();
  if (spec.kind != "BPE")
    return no_place(where, fmt::format("a model of the kind {}", spec.kind), "BPE");
  const bool bytes =
      !spec.pre_tokenizers.empty() && std::holds_alternative<ByteLevel>(spec.pre_tokenizers.back());
  return bytes ? byte_level_of(spec, where) : sentencepiece_of(spec, where);
}

}  // namespace farthing
