// Activation formats: what the input of a quantized linear is rounded to before the product.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// f32:          not rounded.
// int8_block32: a scale for each token and block of 32 along k: amax / 127 in f32, codes -127..127.
// int8_token:   a scale for each token: amax of the whole row / 127 in f32, codes -127..127.
#define FARTHING_ACTIVATIONS(name) name,
#define FARTHING_INT8_ACTIVATIONS(name) name,
enum class Activations {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

#define FARTHING_ACTIVATIONS(name) Activations::name,
#define FARTHING_INT8_ACTIVATIONS(name) Activations::name,
inline constexpr Activations all_activations[] = {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

// What a kernel of the matrix product reads. How rows were rounded is the activation format's
// business: all formats of one kind of input run on the same kernels.
enum class ProductInput {
  floats,
  int8_blocks,  // codes of 8 bits with a scale and a sum for each block of 32 along k
};

#define FARTHING_ACTIVATIONS(name) \
  case Activations::name:          \
    return ProductInput::floats;
#define FARTHING_INT8_ACTIVATIONS(name) \
  case Activations::name:               \
    return ProductInput::int8_blocks;
constexpr ProductInput product_input(Activations activations) {
  switch (activations) {
#include "formats/activations.inc"
  }
  return ProductInput::floats;
}
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

#define FARTHING_ACTIVATIONS(name) \
  case Activations::name:          \
    return #name;
#define FARTHING_INT8_ACTIVATIONS(name) FARTHING_ACTIVATIONS(name)
constexpr std::string_view activations_name(Activations activations) {
  switch (activations) {
#include "formats/activations.inc"
  }
  return "?";
}
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

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
