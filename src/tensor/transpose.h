// Exchange of rows and columns of a matrix of elements of 1, 2 or 4 bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace farthing {
namespace transposing {

// Sixteen bytes, which every instruction set of this program has.
template <class Element>
using Lanes [[gnu::vector_size(16)]] = Element;
template <class Element>
inline constexpr int64_t side = 16 / static_cast<int64_t>(sizeof(Element));

// Lanes `first`, `first` + 1, ... of a and of b in turn.
template <int first, class Vector, int... i>
[[gnu::always_inline]] inline Vector in_turn(Vector a, Vector b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (first + i / 2 + i % 2 * int{sizeof...(i)})...);
}

// to[column][row] = from[row][column] of side x side elements. Every round deals the rows like a
// pack of cards: after log2(side) of them rows have become columns.
template <class Element>
[[gnu::always_inline]] inline void transpose_block(const Element* from, int64_t from_stride,
                                                   Element* to, int64_t to_stride) {
  constexpr int n = side<Element>;
  constexpr auto lanes = std::make_integer_sequence<int, n>{};
  Lanes<Element> rows[n], dealt[n];
  for (int i = 0; i < n; ++i) std::memcpy(&rows[i], from + i * from_stride, sizeof rows[i]);
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      dealt[2 * i] = in_turn<0>(rows[i], rows[i + n / 2], lanes);
      dealt[2 * i + 1] = in_turn<n / 2>(rows[i], rows[i + n / 2], lanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) rows[i] = dealt[i];
  }
  for (int i = 0; i < n; ++i) std::memcpy(to + i * to_stride, &rows[i], sizeof rows[i]);
}

}  // namespace transposing

// to[column][row] = from[row][column]; strides in elements.
template <class Element>
void transpose(const Element* from, int64_t from_stride, int64_t rows, int64_t columns, Element* to,
               int64_t to_stride) {
  using namespace transposing;
  // Pieces of a few cache lines of each row and one of each column, which the nearest cache holds
  // also where all rows begin in the same places of it.
  constexpr int64_t step = side<Element>, most_columns = 64,
                    most_rows = 64 / static_cast<int64_t>(sizeof(Element));
  const auto corner = [&](int64_t row, int64_t column) {
    const Element* block = from + row * from_stride + column;
    Element* block_to = to + column * to_stride + row;
    if (row + step <= rows && column + step <= columns)
      return transpose_block(block, from_stride, block_to, to_stride);
    for (int64_t j = 0; j < std::min(step, columns - column); ++j)
      for (int64_t i = 0; i < std::min(step, rows - row); ++i)
        block_to[j * to_stride + i] = block[i * from_stride + j];
  };
  for (int64_t column0 = 0; column0 < columns; column0 += most_columns) {
    const int64_t end = std::min(columns, column0 + most_columns);
    for (int64_t row0 = 0; row0 < rows; row0 += most_rows)
      for (int64_t row = row0; row < std::min(rows, row0 + most_rows); row += step)
        for (int64_t column = column0; column < end; column += step) corner(row, column);
  }
}

}  // namespace farthing
