// Reading of GGUF metadata.
#include "io/gguf/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/byte_reader.h"

namespace farthing {
namespace {

constexpr int max_depth = 8;  // arrays in arrays
constexpr const char* remedy = "download or write the file again";

constexpr std::string_view type_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};

std::string type_name(uint32_t id) {
  return id < std::size(type_names) ? std::string(type_names[id])
                                    : fmt::format("unknown type {}", id);
}

// Bytes of a value of fixed size; 0 for strings and arrays.
size_t fixed_bytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::u8:
    case GgufValueType::i8:
    case GgufValueType::boolean:
      return 1;
    case GgufValueType::u16:
    case GgufValueType::i16:
      return 2;
    case GgufValueType::u32:
    case GgufValueType::i32:
    case GgufValueType::f32:
      return 4;
    case GgufValueType::u64:
    case GgufValueType::i64:
    case GgufValueType::f64:
      return 8;
    case GgufValueType::string:
    case GgufValueType::array:
      return 0;
  }
  return 0;
}

// Moves `reader` over one value; what is wrong with it, or an empty string.
std::string skip_value(ByteReader& reader, uint32_t id, int depth) {
  if (id >= std::size(type_names)) return type_name(id);
  const auto type = static_cast<GgufValueType>(id);
  const std::string beyond = "a value that reaches beyond the end of the file";
  if (type == GgufValueType::string) return reader.take_string() ? "" : beyond;
  if (type != GgufValueType::array) return reader.take(fixed_bytes(type)) ? "" : beyond;
  if (depth == max_depth) return fmt::format("more than {} arrays in one another", max_depth);
  const auto element = reader.take<uint32_t>();
  const auto count = reader.take<uint64_t>();
  if (!element || !count) return beyond;
  if (*element >= std::size(type_names)) return "an array of " + type_name(*element);
  const auto element_type = static_cast<GgufValueType>(*element);
  if (const size_t size = fixed_bytes(element_type); size != 0)
    return *count <= reader.remaining() / size && reader.take(*count * size) ? "" : beyond;
  for (uint64_t i = 0; i < *count; ++i)  // each takes 8 bytes or more: the file bounds the loop
    if (auto problem = skip_value(reader, *element, depth + 1); !problem.empty()) return problem;
  return "";
}

// The values below were checked by skip_value, so nothing can be missing.
std::optional<int64_t> as_integer(GgufValueType type, ByteReader& reader) {
  switch (type) {
    case GgufValueType::u8:
      return *reader.take<uint8_t>();
    case GgufValueType::i8:
      return *reader.take<int8_t>();
    case GgufValueType::u16:
      return *reader.take<uint16_t>();
    case GgufValueType::i16:
      return *reader.take<int16_t>();
    case GgufValueType::u32:
      return *reader.take<uint32_t>();
    case GgufValueType::i32:
      return *reader.take<int32_t>();
    case GgufValueType::i64:
      return *reader.take<int64_t>();
    case GgufValueType::u64: {
      const uint64_t value = *reader.take<uint64_t>();
      return value <= INT64_MAX ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}
std::optional<double> as_number(GgufValueType type, ByteReader& reader) {
  if (type == GgufValueType::f32) return *reader.take<float>();
  if (type == GgufValueType::f64) return *reader.take<double>();
  const auto integer = as_integer(type, reader);
  return integer ? std::optional(static_cast<double>(*integer)) : std::nullopt;
}
std::optional<std::string> as_string(GgufValueType type, ByteReader& reader) {
  if (type != GgufValueType::string) return std::nullopt;
  return std::string(*reader.take_string());
}
std::optional<bool> as_boolean(GgufValueType type, ByteReader& reader) {
  if (type != GgufValueType::boolean) return std::nullopt;
  return *reader.take<uint8_t>() != 0;
}

tl::unexpected<Error> wrong(const GgufValue* value, const std::string& where, std::string_view key,
                            std::string_view wanted) {
  return fail({.what = value == nullptr ? "a metadata key is missing"
                                        : "a metadata value is of the wrong kind",
               .where = fmt::format("{}, key {}", where, key),
               .got = value == nullptr ? "" : type_name(static_cast<uint32_t>(value->type)),
               .wanted = std::string(wanted),
               .remedy = "use a file that was written for this kind of model"});
}

template <class T, class Read>
Result<T> scalar(const GgufValue* value, const std::string& where, std::string_view key,
                 std::string_view wanted, Read read) {
  if (value != nullptr) {
    ByteReader reader(value->bytes);
    if (auto out = read(value->type, reader)) return *std::move(out);
  }
  return wrong(value, where, key, wanted);
}

template <class T, class Read>
Result<std::vector<T>> array(const GgufValue* value, const std::string& where, std::string_view key,
                             std::string_view wanted, Read read) {
  if (value == nullptr || value->type != GgufValueType::array)
    return wrong(value, where, key, wanted);
  ByteReader reader(value->bytes);
  const auto type = static_cast<GgufValueType>(*reader.take<uint32_t>());
  const uint64_t count = *reader.take<uint64_t>();
  std::vector<T> out;
  for (uint64_t i = 0; i < count; ++i) {
    auto item = read(type, reader);
    if (!item) return wrong(value, where, key, wanted);
    out.push_back(*std::move(item));
  }
  return out;
}

constexpr std::string_view wanted_integer =
    "an integer that is not negative and has at most 63 bits";
}  // namespace

Result<GgufMetadata> GgufMetadata::parse(std::span<const std::byte> bytes, uint64_t count,
                                         std::string where, size_t& used) {
  constexpr size_t least_pair_bytes = 8 + 4 + 1;
  GgufMetadata metadata;
  metadata.where_ = std::move(where);
  const auto bad = [&](std::string place, std::string got) {
    return fail(
        {.what = "the metadata cannot be read",
         .where = fmt::format("{}, {}", metadata.where_, place),
         .got = std::move(got),
         .wanted = "keys that occur once, each with a value of a known type, inside the file",
         .remedy = remedy});
  };
  if (count > bytes.size() / least_pair_bytes)
    return bad("number of metadata keys",
               fmt::format("{} in a rest of {} bytes", count, bytes.size()));
  ByteReader reader(bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const auto key = reader.take_string();
    const auto type = reader.take<uint32_t>();
    if (!key || !type) return bad(fmt::format("metadata key {}", i), "the end of the file");
    const size_t begin = reader.position();
    if (auto problem = skip_value(reader, *type, 0); !problem.empty())
      return bad(fmt::format("key {}", *key), problem);
    const GgufValue value{static_cast<GgufValueType>(*type),
                          bytes.subspan(begin, reader.position() - begin)};
    if (!metadata.values_.emplace(*key, value).second)
      return bad(fmt::format("key {}", *key), "a second value");
  }
  used += reader.position();
  return metadata;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Result<uint64_t> GgufMetadata::integer(std::string_view key) const {
  return scalar<uint64_t>(
      find(key), where_, key, wanted_integer, [](GgufValueType type, ByteReader& reader) {
        const auto value = as_integer(type, reader);
        return value && *value >= 0 ? std::optional(static_cast<uint64_t>(*value)) : std::nullopt;
      });
}
Result<double> GgufMetadata::number(std::string_view key) const {
  return scalar<double>(find(key), where_, key, "a number", as_number);
}
Result<std::string> GgufMetadata::string(std::string_view key) const {
  return scalar<std::string>(find(key), where_, key, "a string", as_string);
}
Result<bool> GgufMetadata::boolean(std::string_view key) const {
  return scalar<bool>(find(key), where_, key, "true or false", as_boolean);
}
Result<uint64_t> GgufMetadata::integer(std::string_view key, uint64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}
Result<double> GgufMetadata::number(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}
Result<std::string> GgufMetadata::string(std::string_view key, std::string otherwise) const {
  return has(key) ? string(key) : std::move(otherwise);
}
Result<bool> GgufMetadata::boolean(std::string_view key, bool otherwise) const {
  return has(key) ? boolean(key) : otherwise;
}
Result<std::vector<int64_t>> GgufMetadata::integers(std::string_view key) const {
  return array<int64_t>(find(key), where_, key, "an array of integers of at most 63 bits",
                        as_integer);
}
Result<std::vector<double>> GgufMetadata::numbers(std::string_view key) const {
  return array<double>(find(key), where_, key, "an array of numbers", as_number);
}
Result<std::vector<std::string>> GgufMetadata::strings(std::string_view key) const {
  return array<std::string>(find(key), where_, key, "an array of strings", as_string);
}

}  // namespace farthing
