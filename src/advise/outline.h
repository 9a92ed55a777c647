// Checkpoints for plans: a model's files, or its config.json alone.
#pragma once

#include <filesystem>
#include <memory>

#include "model/checkpoint.h"

namespace farthing {

// The checkpoint at `path`. Where there are no weights (a config.json, or a folder with one) all
// tensors of the shapes that it names, in its element type (bf16 where it names none): zeros that
// are mapped like a file and take no memory.
Result<std::unique_ptr<Checkpoint>> open_outline(const std::filesystem::path& path);

}  // namespace farthing
