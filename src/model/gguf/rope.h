// The factors by which a GGUF file of Llama 3.1 and later divides the frequencies of its pairs.
#pragma once

#include <optional>
#include <span>

namespace farthing {

// The factor of config.json's scaling "llama3" whose divisors these are, with the other constants
// that all released models have (1, 4, and 8192 positions); nothing where they are others.
std::optional<double> llama3_factor(std::span<const float> divisors, double theta);

}  // namespace farthing
