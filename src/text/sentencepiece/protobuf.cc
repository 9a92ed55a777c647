// Keys, numbers and lengths of the wire format, each checked against what is left.
#include "text/sentencepiece/protobuf.h"

#include <fmt/format.h>

#include <bit>

namespace farthing::tokenizer {

float ProtobufReader::Field::as_float() const {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value));
}

tl::unexpected<Error> ProtobufReader::refuse(std::string got, std::string wanted) const {
  return fail({.what = "the file is not a message of Protocol Buffers",
               .where = fmt::format("{}, byte {}", where_, size_ - rest_.size()),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "download the file again"});
}

Result<std::uint64_t> ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return refuse("the end of the message", "the rest of a number");
    const auto byte = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return refuse("a number of more than 10 bytes", "at most 64 bits");
}

Result<std::uint64_t> ProtobufReader::fixed(std::size_t bytes) {
  if (rest_.size() < bytes)
    return refuse(fmt::format("{} bytes", rest_.size()), fmt::format("a number of {}", bytes));
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(bytes);
  return value;
}

Result<std::optional<ProtobufReader::Field>> ProtobufReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::uint64_t key = TRY(varint());
  if (key >> 3 == 0 || key >> 32 != 0)
    return refuse(fmt::format("field {}", key >> 3), "field 1 to 536870911");
  Field field{.number = static_cast<std::uint32_t>(key >> 3),
              .kind = Field::Kind::kVarint,
              .value = 0,
              .bytes = {}};
  switch (key & 7) {
    case 0:
      field.value = TRY(varint());
      return field;
    case 1:
      field.kind = Field::Kind::kFixed64;
      field.value = TRY(fixed(8));
      return field;
    case 2: {
      field.kind = Field::Kind::kBytes;
      const std::uint64_t length = TRY(varint());
      if (length > rest_.size())
        return refuse(fmt::format("a length of {}", length),
                      fmt::format("at most the {} bytes that are left", rest_.size()));
      field.bytes = rest_.substr(0, length);
      rest_.remove_prefix(length);
      return field;
    }
    case 5:
      field.kind = Field::Kind::kFixed32;
      field.value = TRY(fixed(4));
      return field;
    default:
      return refuse(fmt::format("wire type {}", key & 7), "0, 1, 2 or 5");
  }
}

}  // namespace farthing::tokenizer
