// operator new that counts. Replaces the program's: included by one of its files.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace farthing::testing {

inline std::atomic<bool> counting = false;
inline std::atomic<int> allocations = 0;

inline void start_counting_allocations() {
  allocations = 0;
  counting = true;
}
// Those since the start; ends the counting.
inline int counted_allocations() {
  counting = false;
  return allocations;
}

inline void* counted_allocation(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace farthing::testing

void* operator new(std::size_t size) {
  return farthing::testing::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size) {
  return farthing::testing::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return farthing::testing::counted_allocation(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return farthing::testing::counted_allocation(size, static_cast<std::size_t>(alignment));
}
// stable_sort asks for its buffer this way.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return farthing::testing::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return farthing::testing::counted_allocation(size, alignof(std::max_align_t));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
