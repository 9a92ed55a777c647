// Fuzz target: a GGUF file that holds any bytes; every tensor and every metadata value that it then
// offers.
#include <cstring>

#include "base/check.h"
#include "io/gguf/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto storage = farthing::Storage::allocate(static_cast<int64_t>(size));
  if (size > 0) std::memcpy(storage->data(), data, size);
  const auto file = farthing::GgufFile::parse(storage, "input");
  if (!file) return 0;
  int64_t sum = 0;
  for (const auto& entry : file->tensors()) {
    const auto bytes = file->bytes(entry.name);
    CHECK(bytes.has_value() && bytes->bytes() == entry.end - entry.begin);
    for (const std::byte byte : bytes->span()) sum += static_cast<int64_t>(byte);
    CHECK(file->plain(entry.name).has_value() == entry.type->dtype.has_value());
  }
  CHECK(sum <= static_cast<int64_t>(size) * 255);
  const auto& metadata = file->metadata();
  for (const auto& [key, value] : metadata.values()) {
    (void)metadata.integer(key);
    (void)metadata.number(key);
    (void)metadata.string(key);
    (void)metadata.boolean(key);
    (void)metadata.integers(key);
    (void)metadata.numbers(key);
    (void)metadata.strings(key);
  }
  return 0;
}
