// Activation formats: what the input of a quantized linear is rounded to before the product.
#pragma once

#include <optional>
#include <string_view>

namespace farthing {

enum class Activations {
  f32,           // not rounded
  int8_block32,  // per token and block of 32 along k: scale = amax / 127 in f32, codes -127..127
};

inline constexpr Activations all_activations[] = {Activations::f32, Activations::int8_block32};

constexpr std::string_view activations_name(Activations activations) {
  return activations == Activations::f32 ? "f32" : "int8_block32";
}

constexpr std::optional<Activations> find_activations(std::string_view name) {
  for (Activations a : all_activations)
    if (activations_name(a) == name) return a;
  return std::nullopt;
}

}  // namespace farthing
