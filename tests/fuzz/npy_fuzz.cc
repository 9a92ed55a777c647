// Fuzz target: a .npy file that holds any bytes.
#include <cstring>

#include "base/check.h"
#include "io/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto storage = farthing::Storage::allocate(static_cast<int64_t>(size));
  if (size > 0) std::memcpy(storage->data(), data, size);
  const auto array = farthing::parse_npy(storage, "input");
  if (!array) return 0;
  CHECK(array->dtype() == farthing::DType::f32 && array->bytes() <= static_cast<int64_t>(size));
  int64_t sum = 0;
  for (const std::byte byte : array->span()) sum += static_cast<int64_t>(byte);
  CHECK(sum <= static_cast<int64_t>(size) * 255);
  return 0;
}
