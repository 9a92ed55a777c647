// A line: codes in a row of units, and the exchange of rows and columns of bytes.
#pragma once

#include <algorithm>

#include "formats/packing/units.h"

namespace farthing::packing {

// Bytes of a line of `count` codes, rounded up to whole elements of the packed tensor.
template <class Unit, int element_bytes = 4>
constexpr int64_t line_bytes(int64_t count) {
  constexpr int64_t codes = Unit::codes * element_bytes;
  return (count * Unit::bytes + codes - 1) / codes * element_bytes;
}

// A line is continued at multiples of so many codes: there it has whole 32-bit words.
template <class Unit>
constexpr int64_t period = Unit::codes*(Unit::bytes % 4 == 0 ? 1 : 4);

// Writes all of the line's bytes; bits after the last code are zero.
template <class Unit, int element_bytes = 4>
void pack_line(const uint8_t* codes, int64_t count, uint8_t* to) {
  uint8_t* const end = to + line_bytes<Unit, element_bytes>(count);
  for (; count >= Unit::codes; count -= Unit::codes, codes += Unit::codes, to += Unit::bytes)
    Unit::pack(codes, to);
  uint8_t last[Unit::codes] = {}, packed[Unit::bytes] = {};
  if (count > 0) {
    std::memcpy(last, codes, static_cast<size_t>(count));
    Unit::pack(last, packed);
    const auto bytes = std::min<int64_t>(Unit::bytes, end - to);
    std::memcpy(to, packed, static_cast<size_t>(bytes));
    to += bytes;
  }
  std::memset(to, 0, static_cast<size_t>(end - to));
}

template <class Unit, int element_bytes = 4>
void unpack_line(const uint8_t* from, int64_t count, uint8_t* codes) {
  const uint8_t* const end = from + line_bytes<Unit, element_bytes>(count);
  for (; count >= Unit::codes; count -= Unit::codes, codes += Unit::codes, from += Unit::bytes)
    Unit::unpack(from, codes);
  if (count == 0) return;
  uint8_t last[Unit::codes], packed[Unit::bytes] = {};
  std::memcpy(packed, from, static_cast<size_t>(std::min<int64_t>(Unit::bytes, end - from)));
  Unit::unpack(packed, last);
  std::memcpy(codes, last, static_cast<size_t>(count));
}

// Exchanges rows and columns of 8 x 8 bytes: byte j of rows[i] and byte i of rows[j].
inline void transpose8(uint64_t (&rows)[8]) {
  const auto exchange = [&](int distance, uint64_t mask) {
    for (int i = 0; i < 8; ++i) {
      if ((i & distance) != 0) continue;
      uint64_t &upper = rows[i], &lower = rows[i + distance];
      const uint64_t differing = (upper >> 8 * distance ^ lower) & mask;
      lower ^= differing;
      upper ^= differing << 8 * distance;
    }
  };
  exchange(4, 0x00000000ffffffffu);
  exchange(2, 0x0000ffff0000ffffu);
  exchange(1, 0x00ff00ff00ff00ffu);
}

// to[column][row] = from[row][column] of at most 8 x 8 bytes.
inline void transpose_corner(const uint8_t* from, int64_t from_stride, int64_t rows,
                             int64_t columns, uint8_t* to, int64_t to_stride) {
  if (rows < 8 || columns < 8) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
    return;
  }
  uint64_t block[8];
  for (int i = 0; i < 8; ++i) block[i] = load<8>(from + i * from_stride);
  transpose8(block);
  for (int i = 0; i < 8; ++i) store<8>(to + i * to_stride, block[i]);
}

// The same of any size. The side whose rows lie further apart goes along its rows: a cache line of
// it is used up at once.
inline void transpose(const uint8_t* from, int64_t from_stride, int64_t rows, int64_t columns,
                      uint8_t* to, int64_t to_stride) {
  const auto corner = [&](int64_t row, int64_t column) {
    transpose_corner(from + row * from_stride + column, from_stride,
                     std::min<int64_t>(8, rows - row), std::min<int64_t>(8, columns - column),
                     to + column * to_stride + row, to_stride);
  };
  if (from_stride >= to_stride) {
    for (int64_t row = 0; row < rows; row += 8)
      for (int64_t column = 0; column < columns; column += 8) corner(row, column);
  } else {
    for (int64_t column = 0; column < columns; column += 8)
      for (int64_t row = 0; row < rows; row += 8) corner(row, column);
  }
}

}  // namespace farthing::packing
