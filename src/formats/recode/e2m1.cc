// recode between planes and blocks of E2M1: mxfp4 and gguf_mxfp4, nvfp4 and gguf_nvfp4. Codes keep
// their bits, code 8 too, which is -0 in planes and 0 in blocks.
#include <fmt/format.h>

#include "formats/recode/ways.h"
#include "formats/small_floats/small_float.h"

namespace farthing::recoding {
namespace {

enum class Scales { none, powers_of_two, e4m3 };

Scales scales_of(const Format& format) {
  if (format.name == "mxfp4" || format.name == "gguf_mxfp4") return Scales::powers_of_two;
  if (format.name == "nvfp4" || format.name == "nvfp4_46" || format.name == "gguf_nvfp4")
    return Scales::e4m3;
  return Scales::none;
}

bool in_blocks(const Format& format) { return format.gguf_type >= 0; }

// The byte of the scale that weight [n, k] has.
uint8_t* scale_at(QuantizedTensor& q, int64_t n, int64_t k) {
  const int64_t group = q.format->elements->group, size = q.format->block;
  Tensor& plane = q.planes[in_blocks(*q.format) ? 0 : 1];
  uint8_t* row = plane.as<uint8_t>() + n * plane.shape()[1];
  if (!in_blocks(*q.format)) return row + k / group;
  return row + k / size * (plane.shape()[1] / (q.k / size)) + k % size / group;
}
uint8_t scale_at(const QuantizedTensor& q, int64_t n, int64_t k) {
  return *scale_at(const_cast<QuantizedTensor&>(q), n, k);
}

void move_codes(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  std::vector<uint8_t> codes(static_cast<size_t>((rows.n1 - rows.n0) * from.k));
  from.format->elements->codes(from, rows, codes.data(), from.k);
  to.format->put_codes(to, rows.n0, rows.n1, codes.data(), from.k);
}

std::optional<Misfit> recode_powers(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  move_codes(from, to, rows);
  for (int64_t n = rows.n0; n < rows.n1; ++n)
    for (int64_t k = 0; k < from.k; k += 32) {
      const uint8_t e = scale_at(from, n, k);
      if (e == 255) return Misfit{n, k, k + 32, "a scale that is no number", "a power of two"};
      *scale_at(to, n, k) = e;
    }
  return std::nullopt;
}

std::optional<Misfit> recode_e4m3(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  constexpr uint8_t nan = 0x7f;  // in planes; zero in blocks
  move_codes(from, to, rows);
  const float unit = in_blocks(*from.format) ? 1.0f : from.planes[2].as<float>()[0];
  if (!in_blocks(*to.format) && rows.n0 == 0) to.planes[2].as<float>()[0] = unit;
  for (int64_t n = rows.n0; n < rows.n1; ++n)
    for (int64_t k = 0; k < from.k; k += 16) {
      const uint8_t code = scale_at(from, n, k);
      uint8_t& put = *scale_at(to, n, k);
      if (in_blocks(*from.format)) {
        put = (code & 0x7f) == nan ? 0 : code & 0x7f;
        continue;
      }
      put = code;
      if (!in_blocks(*to.format)) continue;
      const float scale = E4m3::decode(code) * unit;
      put = E4m3::encode(scale);
      if (!(E4m3::decode(put) == scale) || put >= 0x7f)
        return Misfit{n, k, k + 16, fmt::format("the scale {} * {}", E4m3::decode(code), unit),
                      "an E4M3 scale without sign, as there is none of the tensor"};
    }
  return std::nullopt;
}

}  // namespace

TileWay way_between_e2m1(const Format& from, const Format& to) {
  if (scales_of(from) != scales_of(to) || scales_of(from) == Scales::none) return nullptr;
  return scales_of(from) == Scales::e4m3 ? recode_e4m3 : recode_powers;
}

}  // namespace farthing::recoding
