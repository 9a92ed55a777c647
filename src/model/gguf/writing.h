// Writing a model as a GGUF file that llama.cpp loads.
#pragma once

#include <filesystem>

#include "base/progress.h"
#include "model/checkpoint.h"

namespace farthing {

// No value is changed: every linear keeps its codes and scales, in a type of GGUF that holds them;
// vectors become f32. A GGUF file is copied, tensor by tensor. One linear is in memory at a time,
// and the file is complete or absent. Fails before anything is written where the model, the
// tokenizer or the format of a weight cannot be said in GGUF, and on the first weight whose scales
// do not fit. `weight_only`: the rounding of inputs and its scales are left out.
Result<> write_gguf(Checkpoint& from, const std::filesystem::path& to, ThreadPool& pool,
                    Progress& progress, bool weight_only = false);

}  // namespace farthing
