// What transformers' slow tokenizers take for granted and their files leave out.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/spec.h"
#include "text/tokenizer_config.h"

namespace farthing::tokenizer {

struct TokenizerClass {
  std::string_view name;
  bool add_bos, add_eos;
  std::string_view bos = {}, eos = {}, unk = {};  // where the configuration names none
};

// The entry of `classes` that `config` names, the first where it names none or the base class.
Result<TokenizerClass> find_tokenizer_class(std::span<const TokenizerClass> classes,
                                            const TokenizerConfig& config, std::string_view where);

// Adds the tokens that `config` lists, and makes those that it names (BOS, EOS, ...) special.
// `spec->tokens` is set; BOS and EOS are set where `config` or the class names one.
Result<void> add_configured_tokens(const TokenizerConfig& config, const TokenizerClass& kind,
                                   std::string_view where, Spec* spec);

// Puts BOS and EOS around a text where `config`, or else the class, says so.
void put_bos_and_eos(const TokenizerConfig& config, const TokenizerClass& kind, Spec* spec);

// Takes the first line off `text`, without what ends it.
std::string_view take_line(std::string_view* text);

}  // namespace farthing::tokenizer
