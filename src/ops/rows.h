// How operators over rows use the thread pool.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// Calls work(row) for each row, once, on the pool; on the caller alone where waking threads would
// cost more than the `rows` * `elements` elements do. `work` must give the same bits on whichever
// thread it runs.
template <class Work>
void for_each_row(Context& context, int64_t rows, int64_t elements, const Work& work) {
  constexpr int64_t least_elements = 16384;  // about 5 us of element-wise arithmetic
  if (rows * elements < least_elements) {
    for (int64_t r = 0; r < rows; ++r) work(r);
    return;
  }
  context.pool.run([&](Part part) {
    const auto [begin, end] = part.range(rows);
    for (int64_t r = begin; r < end; ++r) work(r);
  });
}

}  // namespace farthing::ops
