// The tokens of a GGUF file's vocabulary that end a text.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace farthing {

class GgufMetadata;

// EOS first, if there is one; then the file's ends of a turn and of a message, and what the texts
// of tokens show to be one, as llama.cpp has it (its end-of-generation tokens): most files name one
// of them only.
Result<std::vector<int64_t>> stop_tokens_from_gguf(const GgufMetadata& metadata);

}  // namespace farthing
