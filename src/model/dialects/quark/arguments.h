// What AMD Quark's quantization_config says of weights and inputs, and which registered scheme that
// is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/format.h"
#include "io/json.h"
#include "model/dialects/integer_weights.h"

namespace farthing::quark {

// The fields of `weight` or `input_tensors`.
struct Arguments {
  std::string where;    // for errors
  std::string dtype;    // fp8_e4m3, fp4, fp6_e2m3, fp6_e3m2, int8, uint8, int4, uint4
  std::string qscheme;  // per_tensor, per_channel, per_group, per_block
  int64_t group_size = 0;
  int64_t axis = 0;
  std::vector<int64_t> block;
  bool symmetric = true, dynamic = false;
  bool powers_of_two = false;  // of scales: scale_format e8m0
  bool operator==(const Arguments&) const;
};

// What is said of a linear: each list is empty (not quantized), or of one or, where scales are
// quantized too, two.
struct Layer {
  std::vector<Arguments> weight, inputs;
  bool operator==(const Layer&) const = default;
};

// Fails where a field is missing or says what is not computed: outputs that are rounded, unless
// `cache_outputs` says that they are those of the KV cache.
Result<Layer> read_layer(const JsonObject& json, bool cache_outputs);

// How the weight lies in the file.
enum class Storage {
  scaled_floats,  // [n, k], scales for the tensor, rows, groups or blocks
  micro_scaled,   // [n, k] as bytes, E8M0 scales
  nvfp4,
  bytes,            // I8 or U8 [n, k]
  bytes_of_groups,  // I8 or U8 [k, n], scales [groups, n]
  words_of_groups   // I32 [k, n / 8], scales [groups, n]
};
struct Weights {
  const Format* format;
  Storage storage;
  // Of integers.
  bool is_signed = true;
  IntegerArguments integers = {};
};
// Fails where no format holds such weights.
Result<Weights> weights_of(const Layer& layer);
Result<Activations> activations_of(const Layer& layer);

}  // namespace farthing::quark
