// Storage, Shape and Tensor on the CPU.
#include "tensor/tensor.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "base/rehearsal.h"

namespace farthing {

namespace {
std::atomic<int64_t> held_bytes{0}, peak_held_bytes{0};

// Large memory comes from the system and goes back to it at once: an allocator would keep what one
// matrix after another needs while a model is loaded. The system gives zeros, in the thread that
// first writes. Not under the address sanitizer, which sees the ends of the allocator's memory
// only.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FARTHING_SANITIZED
#endif
#endif
bool is_large([[maybe_unused]] int64_t bytes) {
#ifdef FARTHING_SANITIZED
  return false;
#else
  return bytes >= int64_t{1} << 17;
#endif
}

void count(int64_t bytes) {
  const int64_t now = held_bytes.fetch_add(bytes) + bytes;
  int64_t peak = peak_held_bytes.load();
  while (now > peak && !peak_held_bytes.compare_exchange_weak(peak, now)) {
  }
}
}  // namespace

MemoryUse memory_use() { return {held_bytes.load(), peak_held_bytes.load()}; }
void reset_peak_memory() { peak_held_bytes.store(held_bytes.load()); }

Shape::Shape(std::initializer_list<int64_t> sizes)
    : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  CHECK(sizes.size() <= max_rank);
  for (int i = 0; i < rank_; ++i) sizes_[i] = sizes[i];
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= sizes_[i];
  return product;
}

std::string Shape::text() const {
  std::string out = "[";
  for (int i = 0; i < rank_; ++i) out += (i > 0 ? ", " : "") + std::to_string(sizes_[i]);
  return out + "]";
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && sizes_ == other.sizes_;
}

std::shared_ptr<Storage> Storage::allocate(int64_t bytes) {
  CHECK(bytes >= 0);
  std::shared_ptr<Storage> storage(new Storage);
  storage->bytes_ = bytes;
  if (is_large(bytes)) {
    // A rehearsal may ask for more than the machine has.
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (rehearsing() ? MAP_NORESERVE : 0);
    void* data = ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(data != MAP_FAILED);
    // A request only: without it every 4 KiB cost a fault of their own. What a rehearsal touches
    // shall stay little.
    ::madvise(data, static_cast<size_t>(bytes), rehearsing() ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    storage->data_ = static_cast<std::byte*>(data);
  } else {
    const size_t rounded = (static_cast<size_t>(bytes) + 63) / 64 * 64;
    storage->data_ = static_cast<std::byte*>(std::aligned_alloc(64, rounded == 0 ? 64 : rounded));
    CHECK(storage->data_ != nullptr);
    std::memset(storage->data_, 0, rounded);
  }
  count(bytes);
  return storage;
}

std::shared_ptr<Storage> Storage::map(std::shared_ptr<const MappedFile> file) {
  std::shared_ptr<Storage> storage(new Storage);
  // Readers only ever hand out const tensors over a map; the pages themselves are read-only.
  storage->data_ = const_cast<std::byte*>(file->bytes().data());
  storage->bytes_ = static_cast<int64_t>(file->bytes().size());
  storage->file_ = std::move(file);
  return storage;
}

Storage::~Storage() {
  if (file_ != nullptr) return;
  if (is_large(bytes_)) {
    ::munmap(data_, static_cast<size_t>(bytes_));
  } else {
    std::free(data_);
  }
  count(-bytes_);
}

Tensor::Tensor(DType dtype, Shape shape)
    : Tensor(Storage::allocate(shape.elements() * dtype_bytes(dtype)), 0, dtype, shape) {}

Tensor::Tensor(std::shared_ptr<Storage> storage, int64_t offset, DType dtype, Shape shape)
    : storage_(std::move(storage)), offset_(offset), dtype_(dtype), shape_(shape) {
  CHECK(offset_ >= 0 && offset_ + bytes() <= storage_->bytes());
}

Tensor Tensor::viewed_as(DType dtype, Shape shape) const {
  Tensor out(storage_, offset_, dtype, shape);
  CHECK(out.bytes() == bytes());
  return out;
}

Tensor to_f32(const Tensor& tensor) {
  if (tensor.dtype() == DType::f32) return tensor;
  Tensor out(DType::f32, tensor.shape());
  float* to = out.as<float>();
  const int64_t n = tensor.shape().elements();
  switch (tensor.dtype()) {
    case DType::f16:
      for (int64_t i = 0; i < n; ++i) to[i] = f32_from_f16(tensor.as<uint16_t>()[i]);
      break;
    case DType::bf16:
      for (int64_t i = 0; i < n; ++i) to[i] = f32_from_bf16(tensor.as<uint16_t>()[i]);
      break;
    case DType::f64:
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(tensor.as<double>()[i]);
      break;
    default:
      CHECK(!"a tensor of float elements");
  }
  return out;
}

}  // namespace farthing
