// What a prompt must be, whoever runs it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "model/config.h"

namespace farthing {

// Fails on an empty prompt, on more tokens than the context has positions, and on ids outside the
// vocabulary.
Result<> check_prompt(std::span<const int32_t> prompt, const ModelConfig& config);

}  // namespace farthing
