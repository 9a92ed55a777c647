// A quantization algorithm: what it needs, and the function that quantizes one linear. It chooses
// scales and codes through the format, never walks the model and never writes files.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/outliers.h"
#include "model/model.h"
#include "quant/input_statistics.h"
#include "tensor/context.h"

namespace farthing {

// What became of one linear.
struct LayerReport {
  std::string name = {};
  int64_t n = 0, k = 0;
  std::string format = {};  // the one that was used
  std::string fallback =
      {};  // why it, or its method, is not the one that was asked for; else empty
  double bits_per_weight = 0;
  double relative_squared_error = 0;  // sum (w' - w)^2 / sum w^2
  // Of its outputs over the calibration text, relative to their squares, for the format's own
  // rounding to nearest and for what was stored; 0 without a calibration.
  double output_error_before = 0, output_error = 0;
  double damping = 0;         // of GPTQ, relative to the mean of the Gram matrix's diagonal
  double rescaled = 0;        // the exponent with which its inputs' channels were; 0: they were not
  int64_t tokens = 0;         // that its input was calibrated with
  int64_t routed_tokens = 0;  // of the calibration that reach it; fewer than these for an expert
  int64_t bytes = 0;
  EncodeReport encode = {};
};

// The mean of the layers' relative squared errors, weighted by their weights; 0 without any.
double mean_relative_squared_error(std::span<const LayerReport> layers);

// How an algorithm is to work; what one does not know it leaves alone.
struct AlgorithmOptions {
  float damping = 0;      // relative to the mean of the Gram matrix's diagonal; 0: the method's own
  bool act_order = true;  // columns with the largest inputs first
  double smoothing_strength = 0.5;                      // of smoothquant: the inputs' exponent
  float outlier_threshold = default_outlier_threshold;  // of spqr (formats/outliers.h)
  float damping_or(float own) const { return damping == 0 ? own : damping; }
};

struct LayerInput {
  const LinearSpec& spec;
  View<const float, 2> weight;  // [n, k]
  const Format& format;
  ScaleRule rule;
  const InputStatistics* inputs = nullptr;  // where the algorithm needs them
  AlgorithmOptions options = {};
};

// What a layer's algorithm has to say.
struct AlgorithmReport {
  EncodeReport encode = {};
  double damping = 0;
  std::string fallback = {};
};

enum class AlgorithmNeeds {
  nothing,
  moments,  // of the input's columns
  gram,     // and their products
};

struct AlgorithmInfo {
  std::string_view name;     // "rtn"
  std::string_view summary;  // one sentence
  AlgorithmNeeds needs;
  // Allocated planes come in; codes and scales go out.
  AlgorithmReport (*quantize)(Context&, const LayerInput&, QuantizedTensor& out);
  // Formats for which it does not fall back on another one; null: every format.
  bool (*suits)(const Format&) = nullptr;
};

std::span<const AlgorithmInfo> all_algorithms();
const AlgorithmInfo* find_algorithm(std::string_view name);
std::string algorithm_names();

}  // namespace farthing
