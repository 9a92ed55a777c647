// Fuzz target: a safetensors file that holds any bytes, and every tensor that it then offers.
#include <cstring>

#include "base/check.h"
#include "io/safetensors/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto storage = farthing::Storage::allocate(static_cast<int64_t>(size));
  if (size > 0) std::memcpy(storage->data(), data, size);
  const auto file = farthing::SafetensorsFile::parse(storage, "input");
  if (!file) return 0;
  int64_t sum = 0;
  for (const auto& entry : file->entries()) {
    const auto tensor = file->tensor(entry.name);
    CHECK(tensor.has_value() && tensor->bytes() == entry.end - entry.begin);
    for (const std::byte byte : tensor->span()) sum += static_cast<int64_t>(byte);
  }
  CHECK(sum <= static_cast<int64_t>(size) * 255);
  return 0;
}
