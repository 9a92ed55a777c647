// A context and what is scored behind it, as tokens.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "text/tokenizer.h"

namespace farthing {

// The last `scored` of the tokens are scored, each given those before it.
struct ScoredTokens {
  std::vector<int32_t> tokens;
  int64_t scored = 0;

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
};

// The answers to one question.
using ScoredGroup = std::vector<ScoredTokens>;

// As lm-evaluation-harness does it (api/model.py, TemplateLM): white space at the context's end
// belongs to the continuation. The context is encoded by itself and together with the continuation,
// both with what the tokenizer puts around a text; as many tokens of the whole as the context has
// are dropped, and what remains is scored behind the context's own tokens. So tokens that reach
// over the border count as the continuation's only as far as the numbers of tokens tell. An empty
// context becomes BOS, or EOS where there is no BOS. Tokens beyond the model's context are cut off
// at the front. Fails where nothing is left to score, where a model without BOS and EOS gets an
// empty context, where what is scored does not fit, and on ids outside the vocabulary.
Result<ScoredTokens> tokenize_choice(const Tokenizer& tokenizer, const ModelConfig& config,
                                     std::string_view context, std::string_view continuation);

// The text's tokens with what the tokenizer puts around it; nothing more than the text where it
// begins with BOS already.
std::vector<int32_t> encode_prompt(const Tokenizer& tokenizer, std::string_view text);

}  // namespace farthing
