// Activation formats: what the input of a quantized linear is rounded to before the product.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// f32:          not rounded.
// int8_block32: a scale for each token and block of 32 along k: amax / 127 in f32, codes -127..127.
// int8_token:   a scale for each token: amax of the whole row / 127 in f32, codes -127..127.
// int8_tensor:  one scale for all rows of a call: amax of the matrix / 127 in f32, codes -127..127.
#define FARTHING_ACTIVATIONS(name, ...) name,
#define FARTHING_INT8_ACTIVATIONS(name, ...) name,
enum class Activations {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

#define FARTHING_ACTIVATIONS(name, ...) Activations::name,
#define FARTHING_INT8_ACTIVATIONS(name, ...) Activations::name,
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

struct ActivationsInfo {
  std::string_view name;
  ProductInput input;
  std::string_view scale;  // what shares one, in words
  // A token is rounded by itself. Else what it becomes depends on the other rows of the call, and
  // with them on chunks and batches: no two ways to run a text have the same bits.
  bool batch_invariant = true;
};

#define FARTHING_ACTIVATIONS(text, ...) {.name = #text, .input = ProductInput::floats, __VA_ARGS__},
#define FARTHING_INT8_ACTIVATIONS(text, ...) \
  {.name = #text, .input = ProductInput::int8_blocks, __VA_ARGS__},
inline constexpr ActivationsInfo activations_table[] = {
#include "formats/activations.inc"
};
#undef FARTHING_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS

constexpr const ActivationsInfo& activations_info(Activations activations) {
  return activations_table[static_cast<int>(activations)];
}

constexpr ProductInput product_input(Activations activations) {
  return activations_info(activations).input;
}
constexpr std::string_view activations_name(Activations activations) {
  return activations_info(activations).name;
}
constexpr bool batch_invariant(Activations activations) {
  return activations_info(activations).batch_invariant;
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
