// The matrix product y = x W^T with a quantized W: its kernels, the packed layouts that they read,
// and their list.
//
// Order of operations (docs/numerics.md): k is cut into tiles of 256 and at most 8 shards; inside a
// shard each output is one FMA chain in ascending k (f32 activations) or in ascending blocks of 32
// (int8 activations); shards are added by the tree of shards.h. Vector lanes are outputs, so the
// width of a vector cannot matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/format.h"
#include "kernels/kernel_list.h"

namespace farthing {

// A panel is 16 consecutive outputs; packed weights are panel after panel.
inline constexpr int64_t panel_outputs = 16;
constexpr int64_t panels_of(int64_t n) { return (n + panel_outputs - 1) / panel_outputs; }

// Kernels keep few tokens against up to four panels at once, and more tokens against up to two.
inline constexpr int64_t few_tokens = 2;
// Panels that a thread's share is a multiple of: as many as any kernel takes at once.
constexpr int64_t panels_at_once(int64_t tokens) { return tokens <= few_tokens ? 4 : 2; }

// Input rounded to int8, whatever shares a scale, as blocks of 32 along k (kernels/quantize_rows).
struct Int8Rows {
  const int8_t* codes;  // [m, stride], stride a multiple of 32, padded with 0
  int64_t stride;       // in codes; blocks = stride / 32
  const float* scales;  // [m, blocks]
  const int32_t* sums;  // [m, blocks]: the sum of the codes of a block
  int64_t blocks() const { return stride / 32; }
};

struct MatmulArguments {
  const QuantizedTensor*
      stored;  // read by the kernels of the `stored` packing only; format, n and k by all
  const std::byte* packed;
  int64_t m;
  const float* x;  // [m, x_stride], f32 activations
  int64_t x_stride;
  Int8Rows int8;  // int8 activations
  float* y;       // [m, y_stride]; only columns of the panels of this call are written
  int64_t y_stride;
  int64_t panel_begin, panel_end;
  float* scratch;  // scratch_floats() of them, 64-byte aligned
};

// How a kernel wants the weight laid out.
enum class Packing {
  stored,    // not packed: tiles are decoded by the format itself
  floats,    // the plane's own floats, each panel [k][16]
  integers,  // integer grids; see IntegerPanels
  elements,  // what Format::elements describes; see element_panels.h
};

struct MatmulFunctions {
  ProductInput input;
  Packing packing;
  void (*run)(const MatmulArguments&) noexcept;
};
using MatmulKernel = Kernel<MatmulFunctions>;

// Every kernel, weakest instruction set first.
std::span<const MatmulKernel> matmul_kernels();

// Whether the kernel can multiply with weights of this format.
bool accepts(const MatmulKernel& kernel, const Format& format);

// The kernel that runs a scheme: of the strongest instruction set up to `isa`, the one with the
// most specific packing. Null when there is none.
const MatmulKernel* choose_matmul_kernel(const Scheme& scheme, Isa isa);

// The strongest kernel that reads weights as they are stored; null where the product has none.
const MatmulKernel* find_stored_kernel(const Scheme& scheme, Isa isa);

// Floats of scratch memory that one call of any kernel needs.
int64_t matmul_scratch_floats();

// The `integers` packing of one panel: [codes][scales][zeros], each part 64-byte aligned.
//   codes:  for each block of 32 along k (padded with code 0), 4 bits: four chunks of 64 bytes;
//   byte 4 o + j of chunk c
//           holds output o, its low nibble k = 8 c + j and its high nibble k = 8 c + 4 + j. 8 bits:
//           eight chunks; byte 4 o + j of chunk c is k = 4 c + j. Codes are unsigned; narrower ones
//           take the next width, moved up so that their zero is its middle.
//   scales: f16 or f32 (as stored; bf16 becomes f32) [groups][16]
//   zeros:  u8 [groups][16], only with zero points
struct IntegerPanels {
  int bits;
  int middle;  // the zero of a format without zero points, in the panel
  bool zero_points;
  bool half_scales;      // scales are f16
  int64_t k, blocks;     // blocks of 32
  int64_t group_blocks;  // blocks of 32 in a group
  int64_t groups;
  int64_t block_bytes, scales_offset, zeros_offset, panel_bytes;

  explicit IntegerPanels(const QuantizedTensor& q);
};

int64_t packed_bytes(Packing packing, const QuantizedTensor& q);
// Writes the panels [panel_begin, panel_end) to their places in `packed`. Outputs beyond n become
// zeros.
void pack_panels(Packing packing, const QuantizedTensor& q, int64_t panel_begin, int64_t panel_end,
                 std::byte* packed);
// Of one panel in the `integers` packing: the weights of some inputs of its 16 outputs, [inputs,
// 16], the bits that decode_tile gives.
void unpack_inputs(const QuantizedTensor& q, const std::byte* packed, int64_t panel,
                   std::span<const int32_t> inputs, float* weights);

}  // namespace farthing
