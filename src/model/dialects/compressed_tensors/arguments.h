// What compressed-tensors' config_groups say of weights and activations, and which registered
// scheme that is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/format.h"
#include "io/json.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/module_patterns.h"

namespace farthing::compressed_tensors {

// The fields of `weights` or `input_activations`, with the package's defaults.
struct Arguments {
  enum class Dynamic { no, yes, local };
  std::string where;  // for errors
  int64_t bits = 8;
  bool floats = false;
  bool symmetric = true;
  std::string strategy;    // tensor, channel, group, block, token, tensor_group
  int64_t group_size = 0;  // 0: none
  std::vector<int64_t> block;
  Dynamic dynamic = Dynamic::no;
};

// One of config_groups.
struct Group {
  ModuleTargets targets;
  std::string format;  // its own, or the section's; "" where neither says any
  std::optional<Arguments> weights, inputs;
  std::string where;
};

// Fails where a field is missing or says what cannot be: outputs that are rounded too, say.
Result<std::vector<Group>> read_groups(const JsonObject& section);

// How a format of files stores weights.
enum class Storage { packed, integers, scaled_floats, nvfp4, mxfp4, mxfp8 };
// Nothing: as plain floats. Fails on a format that is not read, or that contradicts the weights'
// arguments.
Result<std::optional<Storage>> storage_of(const Group& group);

// The scheme, which the storage fits. Fails where no registered one is the same function.
Result<Scheme> scheme_of(const Group& group, Storage storage);

// Of weights whose scheme has a format of integers.
IntegerArguments integers_of(const Arguments& weights);

}  // namespace farthing::compressed_tensors
