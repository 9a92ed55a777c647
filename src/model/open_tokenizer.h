// Tokenizers by path, whichever files describe them.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace farthing {

// Of a Hugging Face folder (weights need not be there), a GGUF file, or a file tokenizer.json,
// *.model or vocab.txt by itself.
Result<Tokenizer> open_tokenizer(const std::filesystem::path& path);

// From tokenizer.json; where there is none from tokenizer.model, vocab.json and merges.txt, or
// vocab.txt, in this order. Links that leave the folder are not followed (io/model_folder.h).
Result<Tokenizer> tokenizer_of_folder(const std::filesystem::path& folder);

// Whether any of these files is there.
bool folder_has_tokenizer(const std::filesystem::path& folder);

// tokenizer_config.json; what it lacks from special_tokens_map.json and added_tokens.json. Empty
// where none of them is there.
Result<TokenizerConfig> tokenizer_config_of_folder(const std::filesystem::path& folder);

}  // namespace farthing
