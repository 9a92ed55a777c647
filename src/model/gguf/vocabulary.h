// The vocabulary of a GGUF file, out of its metadata.
#pragma once

#include <string_view>

#include "base/result.h"
#include "io/gguf/gguf_metadata.h"
#include "text/tokenizer_gguf.h"

namespace farthing {

// The keys tokenizer.ggml.*, as they are; tokenizer_from_gguf checks them against each other.
// `where` names the file in errors.
Result<GgufVocabulary> gguf_vocabulary(const GgufMetadata& metadata, std::string_view where);

// Sets those keys.
void set_gguf_vocabulary(const GgufVocabulary& vocabulary, GgufMetadataBuilder& metadata);

}  // namespace farthing
