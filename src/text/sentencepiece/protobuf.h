// The wire format of Protocol Buffers, as far as SentencePiece's files use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace farthing::tokenizer {

// Reads a message field by field, in the file's order. Source: protobuf.dev, "Encoding".
class ProtobufReader {
 public:
  struct Field {
    std::uint32_t number;
    enum class Kind { kVarint, kFixed64, kBytes, kFixed32 } kind;
    std::uint64_t value;     // of a number
    std::string_view bytes;  // of a text or a message; a view into what is read

    float as_float() const;  // of a kFixed32
  };

  // `where` names the message in errors.
  ProtobufReader(std::string_view message, std::string where)
      : rest_(message), size_(message.size()), where_(std::move(where)) {}

  // Nothing at the end. Fails on what ends inside of a field, and on kinds that are not in use.
  Result<std::optional<Field>> next();

 private:
  tl::unexpected<Error> refuse(std::string got, std::string wanted) const;
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(std::size_t bytes);

  std::string_view rest_;
  std::size_t size_;
  std::string where_;
};

}  // namespace farthing::tokenizer
