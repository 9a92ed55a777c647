// Tokenizing contexts and continuations.
#include "eval/tasks/tokenized_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode/character_class.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

// Bytes of the text without white space at its end.
size_t without_trailing_space(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.substr(at));
    at += character.bytes;
    // What Python's str.rstrip takes beside White_Space: the separators U+001C to U+001F.
    const bool separator = character.value >= 0x1C && character.value <= 0x1F;
    if (!separator && !is_white_space(character.value)) end = at;
  }
  return end;
}

tl::unexpected<Error> cannot_score(std::string what, std::string_view continuation, std::string got,
                                   std::string wanted) {
  return fail({.what = std::move(what),
               .where = fmt::format("the answer \"{}\"", continuation),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "check the task's data, and that the tokenizer belongs to the model"});
}

}  // namespace

std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, std::string_view text) {
  const auto bos = tokenizer.bos_id();
  const bool begun =
      bos && !tokenizer.token_text(*bos).empty() && text.starts_with(tokenizer.token_text(*bos));
  return tokenizer.encode(text, {.add_special_tokens = !begun});
}

Result<ScoredTokens> tokenize_choice(const Tokenizer& tokenizer, const ModelConfig& config,
                                     std::string_view context, std::string_view continuation) {
  const std::string valid = replace_invalid_utf8(context);
  const size_t end = without_trailing_space(valid);
  const std::string front = valid.substr(0, end);
  const std::string scored = valid.substr(end) + std::string(continuation);
  ScoredTokens out;
  if (front.empty()) {
    auto first = tokenizer.bos_id() ? tokenizer.bos_id() : config.bos_token;
    if (!first) first = tokenizer.eos_id() ? tokenizer.eos_id() : config.eos_token;
    if (!first)
      return cannot_score("an answer without a context needs a token in front of it", scored,
                          "a model without BOS and EOS", "a context");
    const auto tokens = tokenizer.encode(scored);
    if (tokens.empty() || tokens[0] != *first) out.tokens.push_back(*first);
    out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
    out.scored = out.size() - 1;
  } else {
    const auto whole = encode_prompt(tokenizer, front + scored);
    out.tokens = encode_prompt(tokenizer, front);
    const size_t border = std::min(out.tokens.size(), whole.size());
    out.tokens.insert(out.tokens.end(), whole.begin() + static_cast<int64_t>(border), whole.end());
    out.scored = static_cast<int64_t>(whole.size() - border);
    if (out.scored == out.size()) out.scored = 0;  // nothing in front of it
  }
  if (out.scored == 0)
    return cannot_score("an answer has no tokens of its own", scored, "no token",
                        "at least one token behind the context's");
  if (out.scored > config.max_positions)
    return cannot_score("an answer is longer than the model's context", scored,
                        fmt::format("{} tokens", out.scored),
                        fmt::format("at most {}", config.max_positions));
  // The last token is never read: it is only scored.
  const int64_t beyond = out.size() - 1 - config.max_positions;
  if (beyond > 0) out.tokens.erase(out.tokens.begin(), out.tokens.begin() + beyond);
  const int32_t highest = *std::max_element(out.tokens.begin(), out.tokens.end());
  if (highest >= config.vocabulary_size)
    return cannot_score("the tokenizer yields tokens that the model does not have", scored,
                        fmt::format("token {}", highest),
                        fmt::format("tokens below {}", config.vocabulary_size));
  return out;
}

}  // namespace farthing
