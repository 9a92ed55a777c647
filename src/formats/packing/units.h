// Units: how a few codes, a byte each, become the bits of a packed line, and back. The arithmetic
// is on eight codes in one 64-bit word, the first in its lowest byte.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace farthing::packing {

static_assert(std::endian::native == std::endian::little, "the words of files are little endian");

// `bytes` bytes as the low end of a word, in powers of two: a copy of three or five bytes into a
// word would go through memory.
template <int bytes>
uint64_t load(const uint8_t* from) {
  constexpr int first = static_cast<int>(std::bit_floor(static_cast<unsigned>(bytes)));
  if constexpr (first < bytes) {
    return load<first>(from) | load<bytes - first>(from + first) << 8 * first;
  } else {
    uint64_t word = 0;
    std::memcpy(&word, from, bytes);
    return word;
  }
}
template <int bytes>
void store(uint8_t* to, uint64_t word) {
  constexpr int first = static_cast<int>(std::bit_floor(static_cast<unsigned>(bytes)));
  std::memcpy(to, &word, first);
  if constexpr (first < bytes) store<bytes - first>(to + first, word >> 8 * first);
}

// `byte` in each of the eight bytes.
constexpr uint64_t in_each_byte(uint64_t byte) { return byte * 0x0101010101010101u; }

// Eight codes as 8 * bits bits, LSB first: neighbours are moved together, then pairs, then fours.
template <int bits>
uint64_t joined(uint64_t codes) {
  codes = (codes & 0x00ff00ff00ff00ffu) | (codes & 0xff00ff00ff00ff00u) >> (8 - bits);
  codes = (codes & 0x0000ffff0000ffffu) | (codes & 0xffff0000ffff0000u) >> (16 - 2 * bits);
  return (codes & 0x00000000ffffffffu) | (codes & 0xffffffff00000000u) >> (32 - 4 * bits);
}
// The inverse; bits above the eight codes are not looked at.
template <int bits>
uint64_t parted(uint64_t word) {
  constexpr uint64_t four = (uint64_t{1} << 4 * bits) - 1;
  constexpr uint64_t two = ((uint64_t{1} << 2 * bits) - 1) * 0x0000000100000001u;
  constexpr uint64_t one = ((uint64_t{1} << bits) - 1) * 0x0001000100010001u;
  word = (word & four) | (word >> 4 * bits & four) << 32;
  word = (word & two) | (word & two << 2 * bits) << (16 - 2 * bits);
  return (word & one) | (word & one << bits) << (8 - bits);
}

// A unit says how many codes become how many bytes. `pack` and `unpack` are each other's inverse.

// Code i in bits [i * bits, (i + 1) * bits) of the stream, LSB first, across words.
template <int bits_>
struct Dense {
  static constexpr int bits = bits_, codes = 8, bytes = bits;
  static void pack(const uint8_t* from, uint8_t* to) {
    store<bytes>(to, joined<bits>(load<8>(from)));
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    store<8>(to, parted<bits>(load<bytes>(from)));
  }
};

// Whole codes in a 32-bit word, LSB first; the word's upper bits stay empty.
template <int bits_>
struct WholeInWord {
  static constexpr int bits = bits_, codes = 32 / bits, bytes = 4;
  static void pack(const uint8_t* from, uint8_t* to) {
    uint32_t word = 0;
    for (int i = 0; i < codes; ++i) word |= uint32_t{from[i]} << i * bits;
    store<4>(to, word);
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    const auto word = static_cast<uint32_t>(load<4>(from));
    for (int i = 0; i < codes; ++i)
      to[i] = static_cast<uint8_t>(word >> i * bits & ((1u << bits) - 1));
  }
};

// A code's low 4 bits, then 2, then 1 in planes of their own, as far as `bits` has them; 32 codes
// fill `width` words of each plane, LSB first, and their planes lie side by side.
template <int bits_>
struct Planar {
  static constexpr int bits = bits_, codes = 32, bytes = 4 * bits;
  template <int width>
  static constexpr bool has = (bits & width) != 0;
  template <int width>
  static constexpr uint64_t mask = in_each_byte((1 << width) - 1);

  template <int width, int below>
  static void pack_plane(const uint8_t* from, uint8_t* to) {
    if constexpr (has<width>)
      for (int i = 0; i < 4; ++i)
        store<width>(to + 4 * below + i * width,
                     joined<width>(load<8>(from + 8 * i) >> below & mask<width>));
  }
  template <int width, int below>
  static void unpack_plane(const uint8_t* from, uint8_t* to) {
    if constexpr (has<width>)
      for (int i = 0; i < 4; ++i)
        store<8>(to + 8 * i, load<8>(to + 8 * i) |
                                 parted<width>(load<width>(from + 4 * below + i * width)) << below);
  }
  static void pack(const uint8_t* from, uint8_t* to) {
    pack_plane<8, 0>(from, to);
    pack_plane<4, 0>(from, to);
    pack_plane<2, bits & 4>(from, to);
    pack_plane<1, bits & 6>(from, to);
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    std::memset(to, 0, codes);
    unpack_plane<8, 0>(from, to);
    unpack_plane<4, 0>(from, to);
    unpack_plane<2, bits & 4>(from, to);
    unpack_plane<1, bits & 6>(from, to);
  }
};

// The unit of another packing, of codes that are one less.
template <class Unit>
struct MinusOne {
  static constexpr int bits = Unit::bits, codes = Unit::codes, bytes = Unit::bytes;
  static_assert(codes == 8);
  static void pack(const uint8_t* from, uint8_t* to) {
    uint8_t less[8];
    store<8>(less, load<8>(from) - in_each_byte(1));  // no code is 0: no byte borrows
    Unit::pack(less, to);
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    Unit::unpack(from, to);
    constexpr uint64_t mask = in_each_byte((1 << bits) - 1);
    // 255 + 1 would carry into the next byte: the top bits are added apart.
    const uint64_t fields = load<8>(to), low = in_each_byte(0x7f), top = fields & ~low;
    store<8>(to, (((fields & low) + in_each_byte(1)) ^ top) & mask);
  }
};

// Nibble i is code {0, 2, 4, 6, 1, 3, 5, 7}[i]: the even codes in the lower half of a word.
struct EvenThenOdd4 {
  static constexpr int bits = 4, codes = 8, bytes = 4;
  // From codes in every second byte, and back.
  static uint64_t half(uint64_t codes_of_half) {
    uint64_t word = codes_of_half & 0x000f000f000f000fu;
    word = (word | word >> 12) & 0x000000ff000000ffu;
    return (word | word >> 24) & 0xffffu;
  }
  static uint64_t codes_of(uint64_t half) {
    const uint64_t pairs = (half & 0x00ffu) | (half & 0xff00u) << 24;
    return (pairs & 0x0000000f0000000fu) | (pairs & 0x000000f0000000f0u) << 12;
  }
  static void pack(const uint8_t* from, uint8_t* to) {
    const uint64_t word = load<8>(from);
    store<bytes>(to, half(word) | half(word >> 8) << 16);
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    const uint64_t word = load<bytes>(from);
    store<8>(to, codes_of(word & 0xffffu) | codes_of(word >> 16) << 8);
  }
};

// Byte i of a word is code {0, 2, 1, 3}[i].
struct EvenThenOdd8 {
  static constexpr int bits = 8, codes = 8, bytes = 8;
  static uint64_t exchanged(uint64_t word) {
    return (word & 0xff0000ffff0000ffu) | (word & 0x0000ff000000ff00u) << 8 |
           (word & 0x00ff000000ff0000u) >> 8;
  }
  static void pack(const uint8_t* from, uint8_t* to) { store<8>(to, exchanged(load<8>(from))); }
  static void unpack(const uint8_t* from, uint8_t* to) { pack(from, to); }
};

// The first of two 4-bit codes in a byte's high nibble.
struct HighNibbleFirst {
  static constexpr int bits = 4, codes = 8, bytes = 4;
  static uint64_t exchanged(uint64_t word) {
    return (word & 0x00ff00ff00ff00ffu) << 8 | (word & 0xff00ff00ff00ff00u) >> 8;
  }
  static void pack(const uint8_t* from, uint8_t* to) {
    store<bytes>(to, joined<4>(exchanged(load<8>(from))));
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    store<8>(to, exchanged(parted<4>(load<bytes>(from))));
  }
};

}  // namespace farthing::packing
