// Codes of 2 to 8 bits in a stream of bytes, least significant bits first: the packing of the
// integer grids and of the MX formats.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace farthing {

// `bits`-wide fields, LSB first; a field may cross into the next byte.
template <int bits>
struct PackedCodes {
  static_assert(bits >= 2 && bits <= 8);
  static_assert(std::endian::native == std::endian::little);

  static constexpr int64_t bytes(int64_t count) { return (count * bits + 7) / 8; }

  static int get(const uint8_t* row, int64_t i) {
    if constexpr (bits == 8) return row[i];
    if constexpr (bits == 4) return row[i >> 1] >> (4 * (i & 1)) & 15;
    const int64_t at = i * bits;
    const int shift = static_cast<int>(at & 7);
    int word = row[at >> 3];
    if (shift + bits > 8) word |= row[(at >> 3) + 1] << 8;
    return word >> shift & ((1 << bits) - 1);
  }
  static void set(uint8_t* row, int64_t i, int code) {
    const int64_t at = i * bits;
    const int shift = static_cast<int>(at & 7), mask = (1 << bits) - 1;
    uint8_t* byte = row + (at >> 3);
    byte[0] = static_cast<uint8_t>((byte[0] & ~(mask << shift)) | code << shift);
    if (shift + bits > 8)
      byte[1] = static_cast<uint8_t>((byte[1] & ~(mask >> (8 - shift))) | code >> (8 - shift));
  }

  // The codes [begin, begin + count) from and to one byte each; eight at a time, which is why
  // `begin` is a multiple of 8.
  static void pack(uint8_t* row, int64_t begin, const uint8_t* codes, int64_t count) {
    uint8_t* to = row + begin / 8 * bits;
    if constexpr (bits == 8) {
      std::memcpy(to, codes, static_cast<size_t>(count));
      return;
    }
    const int64_t whole = count - count % 8;
    for (int64_t i = 0; i < whole; i += 8, to += bits) {
      uint64_t x;
      std::memcpy(&x, codes + i, 8);
      x = closer<8, bits>(x);
      x = closer<16, 2 * bits>(x);
      x = closer<32, 4 * bits>(x);
      std::memcpy(to, &x, bits);
    }
    for (int64_t i = whole; i < count; ++i) set(row, begin + i, codes[i]);
  }
  static void unpack(const uint8_t* row, int64_t begin, int64_t count, uint8_t* codes) {
    const uint8_t* from = row + begin / 8 * bits;
    if constexpr (bits == 8) {
      std::memcpy(codes, from, static_cast<size_t>(count));
      return;
    }
    const int64_t whole = count - count % 8;
    for (int64_t i = 0; i < whole; i += 8, from += bits) {
      uint64_t x = 0;
      std::memcpy(&x, from, bits);
      x = apart<32, 4 * bits>(x);
      x = apart<16, 2 * bits>(x);
      x = apart<8, bits>(x);
      std::memcpy(codes + i, &x, 8);
    }
    for (int64_t i = whole; i < count; ++i) codes[i] = static_cast<uint8_t>(get(row, begin + i));
  }

 private:
  // The even ones of fields of `used` bits that lie `width` apart.
  template <int width, int used>
  static constexpr uint64_t even_fields = [] {
    uint64_t out = 0;
    for (int at = 0; at < 64; at += 2 * width) out |= ((1ull << used) - 1) << at;
    return out;
  }();
  // Moves every odd field down to its even neighbour, and back.
  template <int width, int used>
  static uint64_t closer(uint64_t x) {
    constexpr uint64_t even = even_fields<width, used>;
    return (x & even) | (x & even << width) >> (width - used);
  }
  template <int width, int used>
  static uint64_t apart(uint64_t x) {
    constexpr uint64_t even = even_fields<width, used>;
    return (x & even) | (x & even << used) << (width - used);
  }
};

}  // namespace farthing
