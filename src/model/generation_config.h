// What generation_config.json says of a model beside its config.json: which tokens end a text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace farthing {

// As in transformers, eos_token_id of the folder's generation_config.json (one id, or a list) goes
// before that of config.json; what `config` has where the file or the field is not there.
Result<std::vector<int32_t>> stop_tokens_of_folder(const std::filesystem::path& folder,
                                                   const ModelConfig& config);

}  // namespace farthing
