// Packing of codes, scales and units into element panels.
#include "kernels/matmul/element_panels.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "kernels/matmul/matmul.h"

namespace farthing {
namespace {

constexpr int64_t unit_k = 256;
constexpr int64_t aligned64(int64_t bytes) { return (bytes + 63) / 64 * 64; }
constexpr uint8_t nan_of_e4m3 = 0x7f;

void put_scale(DType dtype, std::byte* plane, int64_t at, float scale) {
  const uint16_t half = dtype == DType::bf16 ? bf16_from_f32(scale) : f16_from_f32(scale);
  if (dtype == DType::f32) {
    std::memcpy(plane + at * 4, &scale, 4);
  } else {
    std::memcpy(plane + at * 2, &half, 2);
  }
}

// The codes of one output; `out` is zero before the first.
template <int bits>
void place_codes(const uint8_t* codes, int64_t count, int64_t o, std::byte* out) {
  constexpr int in_dword = 32 / bits;
  for (int64_t i = 0; i < count; i += in_dword) {
    uint32_t dword = 0;
    for (int j = 0; j < in_dword; ++j) dword |= static_cast<uint32_t>(codes[i + j]) << (bits * j);
    std::memcpy(out + i / in_dword * 64 + o * 4, &dword, 4);
  }
}

void place_small_floats(const uint8_t* codes, int64_t count, int64_t o, std::byte* out) {
  for (int64_t i = 0; i < count; i += 2) std::memcpy(out + i * 16 + o * 2, codes + i, 2);
}

void place(const ElementPanels& layout, const uint8_t* codes, int64_t count, int64_t o,
           std::byte* out) {
  if (layout.kind == ElementKind::small_float) return place_small_floats(codes, count, o, out);
  if (layout.bits == 2) return place_codes<2>(codes, count, o, out);
  if (layout.bits == 4) return place_codes<4>(codes, count, o, out);
  place_codes<8>(codes, count, o, out);
}

// E4M3's NaN has no half of the same bits. A NaN weight makes its output NaN, and so does a group
// of NaNs.
bool has_nan(const ElementPanels& layout, const uint8_t* codes, int64_t count) {
  return layout.kind == ElementKind::small_float && layout.mantissa == 3 &&
         std::any_of(codes, codes + count, [](uint8_t c) { return (c & 0x7f) == nan_of_e4m3; });
}

int64_t group_of(const QuantizedTensor& q) {
  const int64_t group = q.format->elements->group;
  if (group == 0) return (q.k + 15) / 16 * 16;
  // Blocks of the flattened matrix begin anywhere in a row whose k is no multiple of theirs.
  return q.format->scale_block.flat && q.k % group != 0 ? 1 : group;
}

}  // namespace

ElementPanels::ElementPanels(const QuantizedTensor& q)
    : kind(q.format->elements->kind),
      bits(q.format->elements->bits),
      second(q.format->elements->second),
      units(q.format->elements->units),
      middle(kind == ElementKind::book ? -static_cast<int>(q.format->elements->book[0])
                                       : q.format->elements->middle),
      whole_book(q.format->elements->book == farthing::whole_book(middle)),
      mantissa(q.format->elements->mantissa),
      power(static_cast<float>(1 << (15 - q.format->elements->bias))),
      scale_dtype(q.format->elements->scale_dtype.value_or(q.scale_dtype)),
      k(q.k),
      group(group_of(q)),
      groups(group == 1 ? (k + 15) / 16 * 16
                        : (k + group - 1) / group),  // blocks of 16 are read whole
      unit_count(units ? (k + unit_k - 1) / unit_k : 0),
      scales_offset(aligned64(code_bytes((k + 31) / 32 * 32))) {
  CHECK(is_scale_dtype(scale_dtype));
  CHECK(second == SecondTerm::none || kind != ElementKind::whole || middle == 0);
  const int64_t scales = aligned64(groups * panel_outputs * dtype_bytes(scale_dtype));
  const int64_t units_bytes = unit_count * panel_outputs * 4;
  seconds_offset = scales_offset + scales;
  units_offset = seconds_offset + (second == SecondTerm::none ? 0 : scales);
  second_units_offset = units_offset + units_bytes;
  panel_bytes = second_units_offset + (second == SecondTerm::none ? 0 : units_bytes);
  for (size_t i = 0; i < 16; ++i) book[i] = q.format->elements->book[bits == 2 ? i % 4 : i];
}

void pack_elements(const QuantizedTensor& q, const ElementPanels& layout, int64_t panel,
                   std::byte* out) {
  const Elements& elements = *q.format->elements;
  std::memset(out, 0, static_cast<size_t>(layout.panel_bytes));
  const int64_t n0 = panel * panel_outputs, n1 = std::min(n0 + panel_outputs, q.n);
  const auto put = [&](int64_t offset, DType dtype, int64_t at, float value) {
    put_scale(dtype, out + offset, at, value);
  };
  uint8_t codes[unit_k];
  for (int64_t n = n0; n < n1; ++n) {
    const int64_t o = n - n0;
    for (int64_t k0 = 0; k0 < q.k; k0 += unit_k) {
      const int64_t k1 = std::min(k0 + unit_k, q.k);
      std::memset(codes, 0, sizeof codes);
      elements.codes(q, {n, n + 1, k0, k1}, codes, unit_k);
      place(layout, codes, (k1 - k0 + 31) / 32 * 32, o, out + layout.code_bytes(k0));
      const int64_t first = (k0 + layout.group - 1) / layout.group;
      for (int64_t g = first; g * layout.group < k1; ++g) {
        const ElementScale s = elements.scale_at(q, n, g * layout.group);
        put(layout.scales_offset, layout.scale_dtype, g * panel_outputs + o, s.scale);
        if (layout.second != SecondTerm::none)
          put(layout.seconds_offset, layout.scale_dtype, g * panel_outputs + o, s.second);
      }
      if (has_nan(layout, codes, k1 - k0))
        put(layout.scales_offset, layout.scale_dtype, k0 / layout.group * panel_outputs + o,
            std::numeric_limits<float>::quiet_NaN());
      if (!layout.units) continue;
      const ElementScale s = elements.scale_at(q, n, k0);
      const int64_t at = k0 / unit_k * panel_outputs + o;
      put(layout.units_offset, DType::f32, at, s.unit);
      if (layout.second != SecondTerm::none)
        put(layout.second_units_offset, DType::f32, at, s.second_unit);
    }
  }
}

}  // namespace farthing
