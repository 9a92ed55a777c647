// tokenizer_config.json and its companions: what the files of the vocabulary do not say.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/spec.h"

namespace farthing {

// The keys of Hugging Face's tokenizer_config.json that are used; what a file leaves out is empty.
struct TokenizerConfig {
  std::string tokenizer_class;  // without "Fast" at its end
  std::optional<std::string> bos_token, eos_token, unk_token, pad_token, cls_token, sep_token,
      mask_token;
  std::optional<bool> add_bos_token, add_eos_token, add_prefix_space, legacy;
  std::optional<bool> do_lower_case, strip_accents, tokenize_chinese_chars;  // BERT's
  std::vector<tokenizer::AddedToken> added;  // added_tokens_decoder and added_tokens.json
  std::optional<std::string> chat_template;  // the one named "default" where there are several
};

Result<TokenizerConfig> tokenizer_config_from_json(std::string_view json_text,
                                                   std::string_view where);

// The named tokens of special_tokens_map.json that `config` lacks.
Result<void> add_special_tokens_map(std::string_view json_text, std::string_view where,
                                    TokenizerConfig* config);
// The tokens of added_tokens.json (text to id) whose ids `config` lacks.
Result<void> add_added_tokens(std::string_view json_text, std::string_view where,
                              TokenizerConfig* config);

}  // namespace farthing
