// Packings in which each line of the matrix, along n or along k, is packed by itself; its words are
// a row or a column of the packed tensor.
#pragma once

#include <type_traits>

#include "formats/packing/lines.h"
#include "formats/packing/packing.h"

namespace farthing::packing {

enum class Along { n, k };
enum class LineIs { row, column };  // of the packed tensor, which is made of 32-bit words

template <class Unit, Along along, LineIs line_is>
class MatrixOfLines {
 public:
  static Shape shape(int64_t n, int64_t k) {
    const Size size(n, k);
    const int64_t words = line_bytes<Unit>(size.length) / 4;
    return line_is == LineIs::row ? Shape{size.lines, words} : Shape{words, size.lines};
  }

  static void pack(const uint8_t* codes, int64_t n, int64_t k, uint8_t* packed) {
    const Size size(n, k);
    Buffers buffers;
    for_each_piece(size, {0, n}, [&](const Piece& piece) {
      const uint8_t* from = codes + piece.line * k + piece.at;
      int64_t stride = k;
      if constexpr (along == Along::n) {
        from = buffers.codes;
        stride = strip;
        transpose(codes + piece.at * k + piece.line, k, piece.count, piece.lines, buffers.codes,
                  strip);
      }
      uint8_t* to = packed + piece.line * size.line_bytes + piece.byte;
      int64_t to_stride = size.line_bytes;
      if constexpr (line_is == LineIs::column) {
        to = buffers.bytes;
        to_stride = strip_bytes;
      }
      for (int64_t i = 0; i < piece.lines; ++i)
        pack_line<Unit>(from + i * stride, piece.count, to + i * to_stride);
      if constexpr (line_is == LineIs::column) {
        for_each_word(size, piece, [&](int64_t in_buffer, int64_t in_tensor) {
          std::memcpy(packed + in_tensor, buffers.bytes + in_buffer, 4);
        });
      }
    });
  }

  static void unpack(const uint8_t* packed, int64_t n, int64_t k, CodePacking::Outputs outputs,
                     uint8_t* codes) {
    const Size size(n, k);
    Buffers buffers;
    for_each_piece(size, outputs, [&](const Piece& piece) {
      const uint8_t* from = packed + piece.line * size.line_bytes + piece.byte;
      int64_t stride = size.line_bytes;
      if constexpr (line_is == LineIs::column) {
        from = buffers.bytes;
        stride = strip_bytes;
        for_each_word(size, piece, [&](int64_t in_buffer, int64_t in_tensor) {
          std::memcpy(buffers.bytes + in_buffer, packed + in_tensor, 4);
        });
      }
      uint8_t* const unpacked = along == Along::k
                                    ? codes + (piece.line - outputs.begin) * k + piece.at
                                    : codes + (piece.at - outputs.begin) * k + piece.line;
      uint8_t* to = unpacked;
      int64_t to_stride = k;
      if constexpr (along == Along::n) {
        to = buffers.codes;
        to_stride = strip;
      }
      for (int64_t i = 0; i < piece.lines; ++i)
        unpack_line<Unit>(from + i * stride, piece.count, to + i * to_stride);
      if constexpr (along == Along::n) {
        transpose(buffers.codes, strip, piece.lines, piece.count, unpacked, k);
      }
    });
  }

 private:
  // Work goes in pieces of so many lines and codes of each: small enough for the first-level cache,
  // and whole cache lines on both sides of a transposition. Without one, a line is one piece.
  static constexpr bool as_it_lies = along == Along::k && line_is == LineIs::row;
  static constexpr int64_t block = 64,
                           longest = as_it_lies          ? 1 << 30
                                     : along == Along::k ? 512
                                                         : 256,
                           strip = period<Unit> * (longest / period<Unit>),
                           strip_bytes = line_bytes<Unit>(strip);
  struct Size {
    Size(int64_t n, int64_t k)
        : lines(along == Along::k ? n : k),
          length(along == Along::k ? k : n),
          line_bytes(packing::line_bytes<Unit>(length)) {}
    int64_t lines, length, line_bytes;
  };
  struct Piece {
    int64_t line, lines;  // the first, and how many
    int64_t at, count;    // codes of each
    int64_t byte;         // where they begin in their packed line
    int64_t words() const { return line_bytes<Unit>(count) / 4; }
  };
  struct Buffers {
    alignas(64) uint8_t codes[along == Along::n ? block * strip : 1];
    alignas(64) uint8_t bytes[line_is == LineIs::column ? block * strip_bytes : 1];
  };

  template <class Do>
  static void for_each_piece(const Size& size, CodePacking::Outputs outputs, const Do& act) {
    const CodePacking::Outputs all_lines{0, size.lines}, whole{0, size.length};
    const auto [first_line, last_line] = along == Along::k ? outputs : all_lines;
    const auto [first, last] = along == Along::k ? whole : outputs;
    for (int64_t line = first_line; line < last_line; line += block)
      for (int64_t at = first; at < last; at += strip)
        act(Piece{line, std::min(block, last_line - line), at, std::min(strip, last - at),
                  line_bytes<Unit>(at)});
  }
  // Byte offsets of the piece's words in Buffers::bytes and in the packed tensor.
  template <class Do>
  static void for_each_word(const Size& size, const Piece& piece, const Do& act) {
    for (int64_t word = 0; word < piece.words(); ++word)
      for (int64_t i = 0; i < piece.lines; ++i)
        act(i * strip_bytes + word * 4,
            ((piece.byte / 4 + word) * size.lines + piece.line + i) * 4);
  }
};

// Calls act(std::integral_constant<int, bits>) for the one of `widths` that equals `bits`.
template <int... widths, class Act>
void with_bits(int bits, const Act& act) {
  const auto act_if_it_is = [&](auto width) {
    if (bits == width()) act(width);
  };
  (act_if_it_is(std::integral_constant<int, widths>{}), ...);
}

// The functions of a packing whose `Order<bits>` has shape(), pack() and unpack().
template <template <int> class Order, int... widths>
CodePacking packing_of(std::string_view order, std::string_view files) {
  static constexpr int bits_of[] = {widths...};
  CodePacking p{};
  p.order = order;
  p.files = files;
  p.bits = bits_of;
  p.shape = [](int64_t n, int64_t k, int bits) {
    Shape shape;
    with_bits<widths...>(bits, [&](auto b) { shape = Order<b()>::shape(n, k); });
    return shape;
  };
  p.pack = [](const uint8_t* codes, int64_t n, int64_t k, int bits, uint8_t* packed) {
    with_bits<widths...>(bits, [&](auto b) { Order<b()>::pack(codes, n, k, packed); });
  };
  p.unpack = [](const uint8_t* packed, int64_t n, int64_t k, int bits, CodePacking::Outputs outputs,
                uint8_t* codes) {
    with_bits<widths...>(bits, [&](auto b) { Order<b()>::unpack(packed, n, k, outputs, codes); });
  };
  p.multiples = [](int) { return CodePacking::Multiples{}; };
  return p;
}

}  // namespace farthing::packing
