// GGUF's vocabularies and pre-tokenizer names, as tokenizer specifications.
#include "text/tokenizer_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "text/pipeline/spec.h"

namespace farthing {
namespace {

using namespace tokenizer;  // NOLINT: the parts of a specification

enum TokenType : std::int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

// Merges by score are found in quadratic time of a token's length.
constexpr std::size_t kLongestTokenBytes = 4096;

// Which patterns split a text, one after another, for each name of tokenizer.ggml.pre.
// Source: llama.cpp, llm_tokenizer_bpe; Hugging Face's files of the models.
struct PreTokenizerRecipe {
  std::vector<std::string_view> names;
  std::vector<std::string> patterns;  // before the last step
  bool gpt2_pattern_last = true;      // the last step splits by GPT-2's pattern
  bool ignore_merges = false;
  bool add_bos = false;
};

const std::vector<PreTokenizerRecipe>& recipes() {
  static const auto* const list = new std::vector<PreTokenizerRecipe>{
      {.names = {"gpt-2", "mpt", "olmo", "phi-2", "jina-v2-es", "jina-v2-de"}, .patterns = {}},
      {.names = {"default"},
       .patterns = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"},
       .gpt2_pattern_last = false},
      {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell"},
       .patterns = {R"(\p{N})"}},
      {.names = {"llama-bpe", "llama3", "llama-v3"},
       .patterns = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .gpt2_pattern_last = false,
       .ignore_merges = true,
       .add_bos = true},
      {.names = {"qwen2", "deepseek-r1-qwen", "stablelm2"},
       .patterns = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
       .gpt2_pattern_last = false},
      {.names = {"falcon"},
       .patterns = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"},
       .gpt2_pattern_last = false},
  };
  return *list;
}

std::string known_pre_tokenizers() {
  std::vector<std::string_view> names;
  for (const PreTokenizerRecipe& recipe : recipes()) {
    names.insert(names.end(), recipe.names.begin(), recipe.names.end());
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<const PreTokenizerRecipe*> recipe_of(std::string_view name, std::string_view where) {
  for (const PreTokenizerRecipe& recipe : recipes()) {
    if (std::find(recipe.names.begin(), recipe.names.end(), name) != recipe.names.end())
      return &recipe;
  }
  return fail({.what = "the GGUF file names a pre-tokenizer that is not known",
               .where = fmt::format("{}, tokenizer.ggml.pre", where),
               .got = fmt::format("\"{}\"", name),
               .wanted = fmt::format("one of {}", known_pre_tokenizers()),
               .remedy =
                   "convert from the Hugging Face directory of the model, whose tokenizer.json "
                   "describes its pre-tokenizer"});
}

tl::unexpected<Error> misfit(std::string_view where, std::string_view field, std::string got,
                             std::string wanted) {
  return fail({.what = "the vocabulary of the GGUF file contradicts itself",
               .where = fmt::format("{}, tokenizer.ggml.{}", where, field),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "download the file again, or convert it anew"});
}

using IdMap = std::unordered_map<std::string_view, std::int32_t>;

// Every token that may be the result of a merge.
IdMap mergeable_tokens(const GgufVocabulary& vocabulary) {
  IdMap ids;
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::int32_t type = vocabulary.types.empty() ? kNormal : vocabulary.types[i];
    // Text must never become a control token by merging, nor a byte token.
    if (type == kControl || type == kUnknown || type == kByte || vocabulary.tokens[i].empty())
      continue;
    ids.emplace(vocabulary.tokens[i], static_cast<std::int32_t>(i));
  }
  return ids;
}

Result<std::vector<Merge>> merges_by_rank(const GgufVocabulary& vocabulary,
                                          std::string_view where) {
  IdMap ids;
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    ids.emplace(vocabulary.tokens[i], static_cast<std::int32_t>(i));
  }
  std::vector<Merge> merges;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view line = vocabulary.merges[rank];
    const std::size_t space = line.find(' ', 1);
    const bool split = space != std::string_view::npos && space + 1 < line.size();
    const auto left = ids.find(split ? line.substr(0, space) : std::string_view());
    const auto right = ids.find(split ? line.substr(space + 1) : std::string_view());
    const auto result = ids.find(
        split ? std::string(line.substr(0, space)).append(line.substr(space + 1)) : std::string());
    if (!split || left == ids.end() || right == ids.end() || result == ids.end()) {
      return misfit(where, fmt::format("merges[{}]", rank),
                    fmt::format("\"{}\"", line.substr(0, 100)),
                    "two tokens with a space between, which joined are a token too");
    }
    merges.push_back(
        {left->second, right->second, result->second, static_cast<std::uint32_t>(rank)});
  }
  return merges;
}

// SentencePiece merges the neighbours whose joined text is the token of the highest score. The same
// as merges by rank: every way to cut a token in two tokens is a merge, whose rank is the token's
// place by score. Differs where a token holds a character that is no token itself: SentencePiece's
// trainer makes none.
std::vector<Merge> merges_by_score(const GgufVocabulary& vocabulary) {
  const IdMap ids = mergeable_tokens(vocabulary);
  std::vector<Merge> merges;
  for (const auto& [text, id] : ids) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(text.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second, id, 0});
    }
  }
  const auto score = [&](const Merge& merge) { return vocabulary.scores[merge.result]; };
  std::sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) {
    return score(a) != score(b) ? score(a) > score(b)
                                : std::pair(a.left, a.right) < std::pair(b.left, b.right);
  });
  for (std::size_t i = 1; i < merges.size(); ++i) {
    merges[i].rank = merges[i - 1].rank + (score(merges[i]) < score(merges[i - 1]) ? 1 : 0);
  }
  return merges;
}

void add_special_tokens(const GgufVocabulary& vocabulary, Spec* spec) {
  for (std::size_t i = 0; i < vocabulary.types.size(); ++i) {
    const std::int32_t type = vocabulary.types[i];
    if ((type != kControl && type != kUnknown && type != kUserDefined) ||
        vocabulary.tokens[i].empty()) {
      continue;
    }
    AddedToken token;
    token.id = static_cast<std::int32_t>(i);
    token.content = vocabulary.tokens[i];
    token.special = type != kUserDefined;
    spec->added.push_back(token);
  }
}

Result<void> fill_byte_level(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  const PreTokenizerRecipe& recipe = *TRY(recipe_of(vocabulary.pre, where));
  spec->merges = TRY(merges_by_rank(vocabulary, where));
  spec->ignore_merges = recipe.ignore_merges;
  for (const std::string& pattern : recipe.patterns) {
    spec->pre_tokenizers.emplace_back(Split{.pattern = {pattern, true}});
  }
  spec->pre_tokenizers.emplace_back(ByteLevel{.use_regex = recipe.gpt2_pattern_last});
  spec->decoders = {ByteLevel{}};
  if (vocabulary.bos && vocabulary.add_bos.value_or(recipe.add_bos))
    spec->prefix = {*vocabulary.bos};
  return {};
}

Result<void> fill_sentencepiece(const GgufVocabulary& vocabulary, std::string_view where,
                                Spec* spec) {
  if (vocabulary.scores.size() != vocabulary.tokens.size()) {
    return misfit(where, "scores", fmt::format("{} scores", vocabulary.scores.size()),
                  fmt::format("one for each of {} tokens", vocabulary.tokens.size()));
  }
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.tokens[i].size() > kLongestTokenBytes) {
      return misfit(where, fmt::format("tokens[{}]", i),
                    fmt::format("{} bytes", vocabulary.tokens[i].size()),
                    fmt::format("at most {} bytes", kLongestTokenBytes));
    }
    if (!std::isfinite(vocabulary.scores[i])) {
      return misfit(where, fmt::format("scores[{}]", i), fmt::format("{}", vocabulary.scores[i]),
                    "a finite number");
    }
  }
  spec->merges = merges_by_score(vocabulary);
  spec->unknown = vocabulary.unknown;
  spec->byte_fallback = true;
  spec->fuse_unknown = true;
  const bool prefixed = vocabulary.add_space_prefix.value_or(true);
  if (prefixed) spec->normalizers.emplace_back(Prepend{kSpace});
  spec->normalizers.emplace_back(Replace{{.text = " "}, kSpace});
  spec->decoders = {Replace{{.text = kSpace}, " "}, ByteFallback{}, Fuse{}};
  if (prefixed) spec->decoders.emplace_back(Strip{" ", 1});
  if (vocabulary.bos && vocabulary.add_bos.value_or(true)) spec->prefix = {*vocabulary.bos};
  return {};
}

}  // namespace

Result<Tokenizer> tokenizer_from_gguf(const GgufVocabulary& vocabulary, std::string_view where) {
  if (vocabulary.tokens.empty()) return misfit(where, "tokens", "none", "at least one token");
  if (!vocabulary.types.empty() && vocabulary.types.size() != vocabulary.tokens.size()) {
    return misfit(where, "token_type", fmt::format("{} types", vocabulary.types.size()),
                  fmt::format("one for each of {} tokens", vocabulary.tokens.size()));
  }
  Spec spec;
  spec.tokens = vocabulary.tokens;
  spec.bos = vocabulary.bos;
  spec.eos = vocabulary.eos;
  add_special_tokens(vocabulary, &spec);
  if (vocabulary.model == "gpt2") {
    TRY(fill_byte_level(vocabulary, where, &spec));
  } else if (vocabulary.model == "llama") {
    TRY(fill_sentencepiece(vocabulary, where, &spec));
  } else {
    return fail({.what = "the GGUF file has a kind of tokenizer that is not known",
                 .where = fmt::format("{}, tokenizer.ggml.model", where),
                 .got = fmt::format("\"{}\"", vocabulary.model),
                 .wanted = "gpt2 or llama",
                 .remedy = "use a model with a BPE tokenizer"});
  }
  if (vocabulary.eos && vocabulary.add_eos.value_or(false)) spec.suffix = {*vocabulary.eos};
  return make_tokenizer(std::move(spec), where);
}

}  // namespace farthing
