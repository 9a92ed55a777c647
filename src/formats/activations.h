// Activation formats: what the input of a quantized linear is rounded to before the product.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/outlier_columns.h"

namespace farthing {

// How an activation format hands over a row.
enum class ActivationCodes {
  none,    // as it is
  floats,  // its rounded values, as f32
  int8,    // codes of 8 bits with a scale for each block of 32 along k, whatever shares one
};

// An activation format defines the values that the product takes; docs/numerics.md has the
// arithmetic of each. Every weight format multiplies with every one of them.
#define FARTHING_ACTIVATIONS(name, ...) name,
#define FARTHING_FLOAT_ACTIVATIONS(name, ...) name,
#define FARTHING_INT8_ACTIVATIONS(name, ...) name,
enum class Activations {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_FLOAT_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

#define FARTHING_ACTIVATIONS(name, ...) Activations::name,
#define FARTHING_FLOAT_ACTIVATIONS(name, ...) Activations::name,
#define FARTHING_INT8_ACTIVATIONS(name, ...) Activations::name,
inline constexpr Activations all_activations[] = {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_FLOAT_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

struct ActivationsInfo {
  std::string_view name;
  ActivationCodes codes;
  std::string_view scale;  // what shares one, in words
  // A token is rounded by itself. Else what it becomes depends on the other rows of the call, and
  // with them on chunks and batches: no two ways to run a text have the same bits.
  bool batch_invariant = true;
  // The scale, or the set of outlier columns, is a constant of the linear, from calibration
  // (StaticInput), and stored with it.
  bool is_static = false;
  bool has_zero_point = false;  // static formats only
  // Some columns stay as they are: those of the linear where the format is static, else those of
  // the call.
  bool has_outliers = false;
};

// The parameters of an activation format that belong to one linear.
struct StaticInput {
  float scale = 0;   // above 0 where the format is static and has no outlier columns
  int32_t zero = 0;  // -128 .. 127 where it has a zero point
  // Where outlier columns are those of the call: from which magnitude on an element is one; 0: none
  float outlier_threshold = 0;
  OutlierColumns outliers = {};  // where they are the linear's
  bool operator==(const StaticInput&) const = default;
};

#define FARTHING_ACTIVATIONS(text, ...) \
  {.name = #text, .codes = ActivationCodes::none, __VA_ARGS__},
#define FARTHING_FLOAT_ACTIVATIONS(text, ...) \
  {.name = #text, .codes = ActivationCodes::floats, __VA_ARGS__},
#define FARTHING_INT8_ACTIVATIONS(text, ...) \
  {.name = #text, .codes = ActivationCodes::int8, __VA_ARGS__},
inline constexpr ActivationsInfo activations_table[] = {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_FLOAT_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

constexpr const ActivationsInfo& activations_info(Activations activations) {
  return activations_table[static_cast<int>(activations)];
}

constexpr std::string_view activations_name(Activations activations) {
  return activations_info(activations).name;
}
constexpr ActivationCodes activation_codes(Activations activations) {
  return activations_info(activations).codes;
}
constexpr bool batch_invariant(Activations activations) {
  return activations_info(activations).batch_invariant;
}

constexpr bool is_static(Activations activations) {
  return activations_info(activations).is_static;
}
constexpr bool has_outliers(Activations activations) {
  return activations_info(activations).has_outliers;
}

constexpr std::optional<Activations> find_activations(std::string_view name) {
  for (Activations a : all_activations)
    if (activations_name(a) == name) return a;
  return std::nullopt;
}

// "f32, int8_block32, ...", for error messages.
inline std::string activations_names() {
  std::string out;
  for (Activations a : all_activations)
    out += (out.empty() ? "" : ", ") + std::string(activations_name(a));
  return out;
}

}  // namespace farthing
