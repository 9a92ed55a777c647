// Codes of 4 bits in another order: two neighbours of a plane's byte lie in q4_0 half a block
// apart.
#include "formats/recode/nibbles.h"

#include <cstring>

#include "tensor/transpose.h"

namespace farthing::recoding {
namespace {

using Bytes = transposing::Lanes<uint8_t>;

// Codes 2 i and 2 i + 1 in byte i, as codes i and i + 16 in byte i.
void put_block(const uint8_t* codes, uint8_t* to) {
  constexpr auto lanes = std::make_integer_sequence<int, 16>{};
  Bytes pairs;
  std::memcpy(&pairs, codes, sizeof pairs);
  const Bytes even = pairs & 15, odd = pairs >> 4;
  const Bytes first = transposing::in_turn<0>(even, odd, lanes),
              second = transposing::in_turn<8>(even, odd, lanes);
  const Bytes block = first | second << 4;
  std::memcpy(to, &block, sizeof block);
}

bool holds_plain_nibbles(const QuantizedTensor& q) {
  const Format& format = *q.format;
  return format.grid && format.grid->bits == 4 && !format.grid->zero_points &&
         format.gguf_type < 0 && format.scale_block.rows == 1 &&
         format.grid->group_size(q.k) % 32 == 0 && q.scale_dtype == DType::f16;
}

}  // namespace

bool recode_nibbles(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  constexpr int64_t block = 32, scale_bytes = 2, code_bytes = 16;
  if (to.format->name != "q4_0" || !holds_plain_nibbles(from)) return false;
  const int64_t groups = from.format->grid->groups(from.k),
                blocks_of_group = from.format->grid->group_size(from.k) / block;
  const auto* codes = from.planes[0].as<uint8_t>() + rows.n0 * from.k / 2;
  const auto* scales = from.planes[1].as<uint16_t>() + rows.n0 * groups;
  auto* out = to.planes[0].as<uint8_t>() + rows.n0 * to.planes[0].shape()[1];
  for (int64_t n = rows.n0; n < rows.n1; ++n) {
    for (int64_t left = from.k / block; left > 0; left -= blocks_of_group, ++scales) {
      if ((*scales & 0x7fff) > 0x7c00) return false;
      for (int64_t i = 0; i < std::min(left, blocks_of_group); ++i) {
        std::memcpy(out, scales, scale_bytes);
        put_block(codes, out + scale_bytes);
        codes += code_bytes;
        out += scale_bytes + code_bytes;
      }
    }
  }
  return true;
}

}  // namespace farthing::recoding
