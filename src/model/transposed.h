// Matrices as files hold them, the other way round.
#pragma once

#include "tensor/tensor.h"

namespace farthing {

class ThreadPool;

// A matrix [k, n] as [n, k], by the threads of `pool` or, without one, by the caller. Elements of
// 1, 2 or 4 bytes.
Tensor transposed(const Tensor& matrix, ThreadPool* pool = nullptr);

}  // namespace farthing
