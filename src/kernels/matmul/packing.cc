// Packing of stored weights into panels of 16 outputs.
#include <cstring>

#include "formats/outliers.h"
#include "kernels/matmul/element_panels.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/outlier_panels.h"

namespace farthing {
namespace {

constexpr int64_t aligned64(int64_t bytes) { return (bytes + 63) / 64 * 64; }

template <class Bits>
void pack_floats(const QuantizedTensor& q, int64_t panel, Bits* out) {
  const Bits* weight = q.planes[0].as<Bits>();
  for (int64_t o = 0; o < panel_outputs; ++o) {
    const int64_t n = panel * panel_outputs + o;
    for (int64_t k = 0; k < q.k; ++k)
      out[k * panel_outputs + o] = n < q.n ? weight[n * q.k + k] : Bits{0};
  }
}

// One block of 32 of one output.
void place_block(const uint8_t* codes, int bits, int shift, int64_t o, std::byte* block) {
  for (int i = 0; i < 32; ++i) {
    const auto code = static_cast<std::byte>(codes[i] + shift);
    if (bits == 8) {
      block[i / 4 * 64 + o * 4 + i % 4] = code;
    } else {
      std::byte& byte = block[i / 8 * 64 + o * 4 + i % 4];
      byte = i % 8 < 4 ? (byte & std::byte{0xf0}) | code : (byte & std::byte{0x0f}) | code << 4;
    }
  }
}

void pack_integers(const QuantizedTensor& q, const IntegerPanels& layout, int64_t panel,
                   std::byte* out) {
  std::memset(out, 0, static_cast<size_t>(layout.panel_bytes));
  const int64_t n0 = panel * panel_outputs,
                n1 = n0 + panel_outputs < q.n ? n0 + panel_outputs : q.n;
  // narrower symmetric codes move up, so that their zero is the panel's
  const int shift = layout.zero_points ? 0 : layout.middle - q.format->grid->middle();
  for (int64_t b = 0; b < layout.blocks; ++b) {
    const int64_t k0 = b * 32, k1 = k0 + 32 < q.k ? k0 + 32 : q.k;
    uint8_t codes[panel_outputs][32] = {};
    q.format->codes_tile(q, {n0, n1, k0, k1}, codes[0], 32);
    for (int64_t o = 0; o < n1 - n0; ++o)
      place_block(codes[o], layout.bits, shift, o, out + b * layout.block_bytes);
  }
  for (int64_t g = 0; g < layout.groups; ++g) {
    float scales[panel_outputs] = {};
    int32_t zeros[panel_outputs] = {};
    q.format->group_parameters(q, n0, n1, g, scales, zeros);
    for (int64_t o = 0; o < panel_outputs; ++o) {
      std::byte* at =
          out + layout.scales_offset + (g * panel_outputs + o) * (layout.half_scales ? 2 : 4);
      const uint16_t half = f16_from_f32(scales[o]);
      std::memcpy(at, layout.half_scales ? static_cast<const void*>(&half) : &scales[o],
                  layout.half_scales ? 2 : 4);
      if (layout.zero_points)
        out[layout.zeros_offset + g * panel_outputs + o] = static_cast<std::byte>(zeros[o]);
    }
  }
}

// The code that place_block put for input i of the block.
int code_of(const std::byte* block, int bits, int64_t i, int64_t o) {
  if (bits == 8) return static_cast<int>(block[i / 4 * 64 + o * 4 + i % 4]);
  const auto byte = static_cast<int>(block[i / 8 * 64 + o * 4 + i % 4]);
  return i % 8 < 4 ? byte & 15 : byte >> 4;
}

}  // namespace

IntegerPanels::IntegerPanels(const QuantizedTensor& q)
    : bits(q.format->grid->bits <= 4 ? 4 : 8),
      middle(1 << (bits - 1)),
      zero_points(q.format->grid->zero_points),
      half_scales(q.scale_dtype == DType::f16),
      k(q.k),
      blocks((q.k + 31) / 32),
      group_blocks(q.format->grid->group == 0 ? blocks : q.format->grid->group / 32),
      groups(q.format->grid->groups(q.k)),
      block_bytes(panel_outputs * 32 * bits / 8),
      scales_offset(blocks * block_bytes),
      zeros_offset(scales_offset + aligned64(groups * panel_outputs * (half_scales ? 2 : 4))),
      panel_bytes(zeros_offset + (zero_points ? aligned64(groups * panel_outputs) : 0)) {}

namespace {

int64_t panel_bytes_of(Packing packing, const QuantizedTensor& q) {
  switch (packing) {
    case Packing::stored:
      return 0;
    case Packing::floats:
      return panel_outputs * q.k * dtype_bytes(*q.format->plain);
    case Packing::integers:
      return IntegerPanels(q).panel_bytes;
    case Packing::elements:
      return ElementPanels(q).panel_bytes;
  }
  return 0;
}

}  // namespace

int64_t packed_bytes(Packing packing, const QuantizedTensor& q) {
  const int64_t panels = panels_of(q.n) * panel_bytes_of(packing, q);
  if (packing != Packing::elements || !has_outliers(*q.format)) return panels;
  return OutlierPanels(q.n, q.k, panels).bytes(outlier_count(q));
}

void pack_panels(Packing packing, const QuantizedTensor& q, int64_t panel_begin, int64_t panel_end,
                 std::byte* packed) {
  if (packing == Packing::stored) return;
  const int64_t panel_bytes = panel_bytes_of(packing, q);
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    std::byte* out = packed + panel * panel_bytes;
    if (packing == Packing::integers) {
      pack_integers(q, IntegerPanels(q), panel, out);
    } else if (packing == Packing::elements) {
      pack_elements(q, ElementPanels(q), panel, out);
      if (has_outliers(*q.format))
        pack_outliers(q, OutlierPanels(q.n, q.k, panels_of(q.n) * panel_bytes), panel, packed);
    } else if (*q.format->plain == DType::f32) {
      pack_floats(q, panel, reinterpret_cast<float*>(out));
    } else {
      pack_floats(q, panel, reinterpret_cast<uint16_t*>(out));
    }
  }
}

void unpack_inputs(const QuantizedTensor& q, const std::byte* packed, int64_t panel,
                   std::span<const int32_t> inputs, float* weights) {
  const IntegerPanels layout(q);
  const std::byte* base = packed + panel * layout.panel_bytes;
  const std::byte* zeros = base + layout.zeros_offset;
  for (const int32_t input : inputs) {
    const int64_t b = input / 32, g = b / layout.group_blocks;
    for (int64_t o = 0; o < panel_outputs; ++o) {
      const int64_t at = g * panel_outputs + o;
      float scale = 0;
      if (layout.half_scales) {
        uint16_t half = 0;
        std::memcpy(&half, base + layout.scales_offset + at * 2, 2);
        scale = f32_from_f16(half);
      } else {
        std::memcpy(&scale, base + layout.scales_offset + at * 4, 4);
      }
      const int zero = layout.zero_points ? static_cast<int>(zeros[at]) : layout.middle;
      const int code = code_of(base + b * layout.block_bytes, layout.bits, input % 32, o);
      *weights++ = scale * static_cast<float>(code - zero);
    }
  }
}

}  // namespace farthing
