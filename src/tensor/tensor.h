// Storage owns bytes; Tensor is a typed, shaped, contiguous piece of a storage; View is what
// operators take.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "tensor/dtype.h"

namespace farthing {

// Sizes of up to four dimensions, outermost first.
class Shape {
 public:
  static constexpr int max_rank = 4;
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return sizes_[i]; }
  int64_t elements() const;
  std::string text() const;  // "[49152, 576]"
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

// Bytes in memory, 64-byte aligned, or a memory map that is kept open.
class Storage {
 public:
  static std::shared_ptr<Storage> allocate(int64_t bytes);  // zeroed
  static std::shared_ptr<Storage> map(std::shared_ptr<const MappedFile> file);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  Storage() = default;
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  std::shared_ptr<const MappedFile> file_;
};

// Bytes of memory that all living Storages own (memory maps are not counted), now and at the
// highest since the last reset.
struct MemoryUse {
  int64_t now_bytes, peak_bytes;
};
MemoryUse memory_use();
void reset_peak_memory();

// A rank-dimensional, row-major window on memory that somebody else owns. `stride` is in elements,
// between rows of the innermost dimension (rank 2 and above); outer dimensions are contiguous over
// it.
template <class T, int rank>
struct View;

template <class T>
struct View<T, 1> {
  T* data;
  int64_t size;
  T& operator[](int64_t i) const {
    DCHECK(i >= 0 && i < size);
    return data[i];
  }
};

template <class T>
struct View<T, 2> {
  T* data;
  int64_t rows, columns;
  int64_t stride;
  T* row(int64_t i) const {
    DCHECK(i >= 0 && i < rows);
    return data + i * stride;
  }
  View rows_from(int64_t begin, int64_t end) const {
    return {data + begin * stride, end - begin, columns, stride};
  }
  operator View<const T, 2>() const { return {data, rows, columns, stride}; }
};

// A contiguous tensor; copies share the storage.
class Tensor {
 public:
  Tensor() = default;
  // Zeroed memory.
  Tensor(DType dtype, Shape shape);
  // A piece of `storage` at `offset` bytes; it must lie inside.
  Tensor(std::shared_ptr<Storage> storage, int64_t offset, DType dtype, Shape shape);

  // The same bytes with another type and shape; as many bytes as before.
  Tensor viewed_as(DType dtype, Shape shape) const;

  explicit operator bool() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t bytes() const { return shape_.elements() * dtype_bytes(dtype_); }
  std::byte* data() { return storage_->data() + offset_; }
  const std::byte* data() const { return storage_->data() + offset_; }
  // The same bytes with another shape of as many elements.
  Tensor reshaped(Shape shape) const {
    CHECK(shape.elements() == shape_.elements());
    return {storage_, offset_, dtype_, shape};
  }
  // The i-th of those that lie one after another along the first dimension; rank 3.
  Tensor part(int64_t i) const {
    CHECK(shape_.rank() == 3 && i >= 0 && i < shape_[0]);
    return {storage_, offset_ + i * (bytes() / shape_[0]), dtype_, {shape_[1], shape_[2]}};
  }
  std::span<const std::byte> span() const { return {data(), static_cast<size_t>(bytes())}; }

  template <class T>
  T* as() {
    DCHECK(sizeof(T) == static_cast<size_t>(dtype_bytes(dtype_)));
    return reinterpret_cast<T*>(data());
  }
  template <class T>
  const T* as() const {
    DCHECK(sizeof(T) == static_cast<size_t>(dtype_bytes(dtype_)));
    return reinterpret_cast<const T*>(data());
  }
  // Rank 2.
  template <class T>
  View<T, 2> view() {
    CHECK(shape_.rank() == 2);
    return {as<T>(), shape_[0], shape_[1], shape_[1]};
  }
  template <class T>
  View<const T, 2> view() const {
    CHECK(shape_.rank() == 2);
    return {as<T>(), shape_[0], shape_[1], shape_[1]};
  }

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;
  DType dtype_ = DType::f32;
  Shape shape_;
};

// `tensor` with float elements (f32, f16, bf16, f64) as f32; an f32 tensor is returned as it is.
Tensor to_f32(const Tensor& tensor);

}  // namespace farthing
