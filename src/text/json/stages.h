// The stages around the model as tokenizer.json describes them: one reader and one writer for each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/json/node.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// A stage's steps: none for null, several for a Sequence. What is not known is an error that names
// the field and what is known.
Result<std::vector<NormalizerStep>> read_normalizers(const JsonNode& root);
Result<std::vector<PreTokenizerStep>> read_pre_tokenizers(const JsonNode& root);
Result<std::vector<DecoderStep>> read_decoders(const JsonNode& root);
// Into `spec->prefix` and `spec->suffix`.
Result<void> read_post_processors(const JsonNode& root, Spec* spec);
// One token with its options; its id is not part of it everywhere.
Result<AddedToken> read_added_token(const JsonNode& node);
// Into `spec->added`; `limit`: ids are lower.
Result<void> read_added_tokens(const JsonNode& root, std::size_t limit, Spec* spec);

std::string normalizers_json(const std::vector<NormalizerStep>& steps);
std::string pre_tokenizers_json(const std::vector<PreTokenizerStep>& steps);
std::string decoders_json(const std::vector<DecoderStep>& steps);
std::string post_processor_json(const Spec& spec);
std::string added_tokens_json(const Spec& spec);

}  // namespace farthing::tokenizer
