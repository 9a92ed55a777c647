// The metadata of GGUF files: typed values under names.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing {

// Value types, by the ids that files store.
enum class GgufValueType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

// A value as it lies in the file; arrays are decoded when they are asked for.
struct GgufValue {
  GgufValueType type;
  std::span<const std::byte> bytes;  // of an array: from its element type on
};

// Metadata for reading: values that were checked when the file was opened.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  // Reads `count` pairs at the start of `bytes`, which must outlive this object. The size that they
  // take is added to `used`. Errors name `where` and the key.
  static Result<GgufMetadata> parse(std::span<const std::byte> bytes, uint64_t count,
                                    std::string where, size_t& used);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }

  // Any integer type, not negative. With `otherwise`: the value of an absent key, here and below.
  Result<uint64_t> integer(std::string_view key) const;
  Result<uint64_t> integer(std::string_view key, uint64_t otherwise) const;
  // Any integer or float type.
  Result<double> number(std::string_view key) const;
  Result<double> number(std::string_view key, double otherwise) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string(std::string_view key, std::string otherwise) const;
  Result<bool> boolean(std::string_view key) const;
  Result<bool> boolean(std::string_view key, bool otherwise) const;
  // Arrays of integers, of numbers (integers or floats), of strings.
  Result<std::vector<int64_t>> integers(std::string_view key) const;
  Result<std::vector<double>> numbers(std::string_view key) const;
  Result<std::vector<std::string>> strings(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::string where_;
};

// Metadata for writing; values keep the order in which they were set. A key is set once.
class GgufMetadataBuilder {
 public:
  GgufMetadataBuilder& set(std::string_view key, uint32_t value) {
    return scalar(key, GgufValueType::u32, value);
  }
  GgufMetadataBuilder& set(std::string_view key, int32_t value) {
    return scalar(key, GgufValueType::i32, value);
  }
  GgufMetadataBuilder& set(std::string_view key, uint64_t value) {
    return scalar(key, GgufValueType::u64, value);
  }
  GgufMetadataBuilder& set(std::string_view key, float value) {
    return scalar(key, GgufValueType::f32, value);
  }
  GgufMetadataBuilder& set(std::string_view key, std::same_as<bool> auto value) {
    return scalar(key, GgufValueType::boolean, static_cast<uint8_t>(value));
  }
  GgufMetadataBuilder& set(std::string_view key, std::string_view text);
  GgufMetadataBuilder& set(std::string_view key, const char* text) {
    return set(key, std::string_view(text));
  }
  GgufMetadataBuilder& set(std::string_view key, const std::vector<std::string>& strings);
  GgufMetadataBuilder& set(std::string_view key, const std::vector<float>& numbers);
  GgufMetadataBuilder& set(std::string_view key, const std::vector<int32_t>& integers);
  // A value of another file, as it is.
  GgufMetadataBuilder& set(std::string_view key, const GgufValue& value);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  template <class T>
  GgufMetadataBuilder& scalar(std::string_view key, GgufValueType type, T value) {
    return set(key, GgufValue{type, std::as_bytes(std::span(&value, 1))});
  }
  template <class T>
  GgufMetadataBuilder& array(std::string_view key, GgufValueType type,
                             const std::vector<T>& values);
  std::string bytes_;
  uint64_t count_ = 0;
};

}  // namespace farthing
