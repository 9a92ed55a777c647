// Turns applied to a matrix or a vector, in double.
#pragma once

#include "base/thread_pool.h"
#include "quant/rotation/turns.h"

namespace farthing {

// values [n, k], its columns first multiplied by `gains` where there are any, then turned on either
// side; rounded to f32 once. `pool`: null for the caller alone; the same bits either way.
void turn_matrix(ThreadPool* pool, const LinearTurns& turns, uint64_t seed,
                 const std::vector<double>& gains, float* values, int64_t n, int64_t k);

void turn_vector(const Turn& turn, uint64_t seed, std::vector<double>& values);

}  // namespace farthing
