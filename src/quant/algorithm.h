// A quantization algorithm: what it needs, and the function that quantizes one linear. It chooses
// scales and codes through the format, never walks the model and never writes files.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/format.h"
#include "model/model.h"
#include "tensor/context.h"

namespace farthing {

// What became of one linear.
struct LayerReport {
  std::string name = {};
  int64_t n = 0, k = 0;
  std::string format = {};    // the one that was used
  std::string fallback = {};  // why it is not the one that was asked for; else empty
  double bits_per_weight = 0;
  double relative_squared_error = 0;  // sum (w' - w)^2 / sum w^2
  int64_t bytes = 0;
  EncodeReport encode = {};
};

// The mean of the layers' relative squared errors, weighted by their weights; 0 without any.
double mean_relative_squared_error(std::span<const LayerReport> layers);

struct LayerInput {
  const LinearSpec& spec;
  View<const float, 2> weight;  // [n, k]
  const Format& format;
  ScaleRule rule;
};

struct AlgorithmInfo {
  std::string_view name;     // "rtn"
  std::string_view summary;  // one sentence
  std::string_view needs;    // "nothing", "activations", ...
  // Allocated planes come in; codes and scales go out.
  EncodeReport (*quantize)(Context&, const LayerInput&, QuantizedTensor& out);
};

std::span<const AlgorithmInfo> all_algorithms();
const AlgorithmInfo* find_algorithm(std::string_view name);
std::string algorithm_names();

}  // namespace farthing
