// Hadamard matrices: signs whose rows are orthogonal, of sizes that are no powers of two.
#pragma once

#include <cstdint>
#include <vector>

namespace farthing::ops {

// The entries +1 and -1 of a Hadamard matrix [order, order] whose first column is +1, row by row;
// empty where none of this order is known here. Paley's constructions (1933) for orders q + 1 and
// 2 (q + 1) with a prime q, and Goethals' and Seidel's (1967) for 52, 156 and 172.
std::vector<float> sign_matrix(int64_t order);

}  // namespace farthing::ops
