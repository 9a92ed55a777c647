// The registry of quantization algorithms.
#include <array>

#include "quant/algorithm.h"

namespace farthing {

#define FARTHING_ALGORITHM(name) AlgorithmInfo name##_algorithm();
#include "quant/algorithms.inc"
#undef FARTHING_ALGORITHM

std::span<const AlgorithmInfo> all_algorithms() {
  static const std::array table = {
#define FARTHING_ALGORITHM(name) name##_algorithm(),
#include "quant/algorithms.inc"
#undef FARTHING_ALGORITHM
  };
  return table;
}

const AlgorithmInfo* find_algorithm(std::string_view name) {
  for (const AlgorithmInfo& algorithm : all_algorithms())
    if (algorithm.name == name) return &algorithm;
  return nullptr;
}

std::string algorithm_names() {
  std::string out;
  for (const AlgorithmInfo& algorithm : all_algorithms())
    out += (out.empty() ? "" : ", ") + std::string(algorithm.name);
  return out;
}

}  // namespace farthing
