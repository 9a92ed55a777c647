// ByteReader: takes little-endian values from the front of bytes that nobody has checked.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace farthing {

static_assert(std::endian::native == std::endian::little);

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  // Each take returns nothing, and moves nothing, where fewer bytes remain.
  std::optional<std::span<const std::byte>> take(uint64_t count) {
    if (count > remaining()) return std::nullopt;
    const auto out = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return out;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> std::optional<T> take() {
    const auto bytes = take(sizeof(T));
    if (!bytes) return std::nullopt;
    T value;
    std::memcpy(&value, bytes->data(), sizeof(T));
    return value;
  }
  // A length of 64 bits, then as many characters.
  std::optional<std::string_view> take_string() {
    const size_t before = position_;
    const auto length = take<uint64_t>();
    const auto bytes = length ? take(*length) : std::nullopt;
    if (!bytes) {
      position_ = before;
      return std::nullopt;
    }
    return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

}  // namespace farthing
