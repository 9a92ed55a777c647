// Hugging Face's tokenizer.json, read and written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace farthing {

// The models of models/kinds.inc, with the stages that the errors for unknown ones list. Its encode
// gives what the Python package tokenizers gives; a run of tokens that is not valid UTF-8 may
// decode to another number of U+FFFD. Without `config` the BOS token is what the template puts
// first, and there is no EOS token.
Result<Tokenizer> tokenizer_from_json(std::string_view json_text, std::string_view where,
                                      const TokenizerConfig& config = {});

// A tokenizer.json that Hugging Face's tokenizers loads; the very text that the tokenizer was read
// from, where it was.
std::string tokenizer_to_json(const Tokenizer& tokenizer);

}  // namespace farthing
