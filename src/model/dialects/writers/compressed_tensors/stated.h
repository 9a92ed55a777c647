// What compressed-tensors' config_groups say of formats: the inverse of
// dialects/compressed_tensors/arguments.h.
#pragma once

#include <string>
#include <string_view>

#include "model/dialects/writers/writer.h"

namespace farthing::compressed_tensors {

// The fields of `weights` or `input_activations`.
struct Stated {
  int bits;
  const char* type;
  bool symmetric;
  const char* strategy;
  int64_t group = 0;              // 0: null
  const char* dynamic = "false";  // as JSON
  // Of the scales, where it is not the model's: readers that round inputs round their scales to it.
  const char* scale_dtype = nullptr;
  bool blocks = false;     // of 128 x 128
  bool act_order = false;  // inputs name their groups

  std::string json() const;
};

// Null where the dialect has none: also of inputs that are not rounded.
const Stated* stated_inputs(Activations activations);

// A format that is no integer, and the format of files that holds it.
struct SmallFloats {
  std::string_view name, format;
  Stated stated;
};
const SmallFloats* small_floats_of(const Format& format);

// One scale for all weights.
inline bool of_tensor(const Format& format) { return format.scale_block.rows == 0; }
// Whether integers stand in bytes; else they are packed.
bool in_bytes(const Scheme& scheme);
std::string_view format_of_files(const Scheme& scheme);
// Whether the zero points of an integer weight are written.
bool has_zero_points(const WrittenLinear& as);
Stated stated_weights(const WrittenLinear& as);

}  // namespace farthing::compressed_tensors
