// general.file_type: the type of most of a GGUF file's weights.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/gguf/gguf.h"

namespace farthing {

// llama.cpp's number for the type that most bytes have; nothing where it has none.
std::optional<uint32_t> gguf_file_type(const std::vector<GgufWriter::Declaration>& tensors);

}  // namespace farthing
