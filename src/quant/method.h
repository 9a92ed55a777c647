// Methods by name: an algorithm, or a rescaling and the algorithm behind it.
#pragma once

#include "quant/quantize_options.h"

namespace farthing {

struct Method {
  const AlgorithmInfo* algorithm = nullptr;
  const RescalingInfo* rescaling = nullptr;  // null: none

  void apply(QuantizeOptions& to) const {
    to.method = algorithm;
    to.rescaling = rescaling;
  }
  std::string name() const;
  bool operator==(const Method&) const = default;
};

// "gptq", "awq" (with the algorithm that it comes with), "awq+gptq".
Result<Method> parse_method(const std::string& name);
inline Method method_of(const QuantizeOptions& options) {
  return {options.method, options.rescaling};
}
// "rtn, gptq, ..., awq, ..., or RESCALING+ALGORITHM"
std::string method_names();

}  // namespace farthing
