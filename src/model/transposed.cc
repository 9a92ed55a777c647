// Matrices the other way round, on threads.
#include "model/transposed.h"

#include "base/check.h"
#include "base/on_threads.h"
#include "tensor/transpose.h"

namespace farthing {

Tensor transposed(const Tensor& matrix, ThreadPool* pool) {
  const int64_t k = matrix.shape()[0], n = matrix.shape()[1], size = dtype_bytes(matrix.dtype());
  Tensor out(matrix.dtype(), {n, k});
  const auto as = [&]<class Element>(Element) {
    constexpr int64_t line = 64 / sizeof(Element);  // rows of others lie in other cache lines
    on_threads(pool, [&](Part part) {
      const auto [begin, end] = part.range(n, line);
      transpose(reinterpret_cast<const Element*>(matrix.data()) + begin, n, k, end - begin,
                reinterpret_cast<Element*>(out.data()) + begin * k, k);
    });
  };
  CHECK(size == 1 || size == 2 || size == 4);
  size == 1 ? as(uint8_t{}) : size == 2 ? as(uint16_t{}) : as(uint32_t{});
  return out;
}

}  // namespace farthing
