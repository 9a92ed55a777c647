// Hugging Face's tokenizer files: tokenizer.json read and written, tokenizer_config.json read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace farthing {

// What tokenizer_config.json says that tokenizer.json does not.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token;
  std::optional<std::string> chat_template;  // the one named "default" where there are several
};

Result<TokenizerConfig> tokenizer_config_from_json(std::string_view json_text,
                                                   std::string_view where);

// Model BPE with the stages listed in the error for an unknown one. Its encode gives what the
// Python package tokenizers gives; a run of tokens that is not valid UTF-8 may decode to another
// number of U+FFFD. Without `config` the BOS token is what the template puts first, and there is no
// EOS token.
Result<Tokenizer> tokenizer_from_json(std::string_view json_text, std::string_view where,
                                      const TokenizerConfig& config = {});

// A tokenizer.json that Hugging Face's tokenizers loads; the very text that the tokenizer was read
// from, where it was.
std::string tokenizer_to_json(const Tokenizer& tokenizer);

}  // namespace farthing
