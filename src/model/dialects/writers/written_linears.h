// What dialects that state one scheme, and exceptions from it, ask of a model's linears.
#pragma once

#include <span>

#include "model/dialects/writers/writer.h"

namespace farthing {

// The scheme of the most quantized linears; of equals the first. At least one is quantized.
Scheme most_frequent(std::span<const WrittenLinear> linears);

// The one scheme of all quantized linears. Fails, and names a linear of another.
Result<Scheme> only_scheme(std::string_view target, std::span<const WrittenLinear> linears);

// Modules of plain weights, but not the embedding, which such lists do not have.
std::vector<std::string> plain_modules(std::span<const WrittenLinear> linears);

}  // namespace farthing
