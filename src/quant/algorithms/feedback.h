// Error feedback over a layer's columns: what gptq and spqr have in common.
//
// Source: GPTQ, arXiv 2210.17323, in the form of QuIP's LDLQ (arXiv 2307.13304, theorem 6: the same
// codes): with the Gram matrix G = M D M^T, M unit upper triangular in the order in which columns
// are rounded, column j becomes Q(w[j] + sum over i < j of (w[i] - w'[i]) M[i, j]), and the squared
// error of the outputs is the sum of D[j] (moved[j] - w'[j])^2. It needs one decomposition and no
// inverse; GPTQ's own d[j], the diagonal of the inverse's factor, is 1 / sqrt(D[j]).
#pragma once

#include <limits>
#include <vector>

#include "quant/algorithm.h"

namespace farthing {

// Columns in the order in which they are rounded: with act_order those with the largest inputs
// first.
std::vector<int64_t> order_of(View<const float, 2> gram, bool act_order);

// M and D of the order, the last column of which is the factor's first.
struct Feedback {
  Tensor factors;              // f32 [k, k]: M[i, j], i < j
  std::vector<float> penalty;  // [k]: D
  double damping = 0;          // that was needed; 0: the decomposition failed
};

// `damping` is relative to the mean of the Gram matrix's diagonal, and doubled until it is enough.
Feedback feedback_of(Context& context, View<const float, 2> gram, const std::vector<int64_t>& order,
                     double damping);

// D of the columns as they lie in the weight, in units of `unit`.
std::vector<float> penalty_of_columns(const Feedback& feedback, const std::vector<int64_t>& order,
                                      double unit);
double mean_penalty(const Feedback& feedback);

// Rounds all columns under the scales of `out` and stores their codes. Where the format has
// outliers, weights whose penalty * (moved - w')^2 exceeds `limit` take the places of those that
// it had. Returns how many of them a half cannot hold.
int64_t round_columns(Context& context, const LayerInput& input, const std::vector<int64_t>& order,
                      const Feedback& feedback, QuantizedTensor& out,
                      float limit = std::numeric_limits<float>::infinity());

// The algorithm gptq, which takes spqr's place where a format keeps no outliers apart.
AlgorithmReport quantize_gptq(Context& context, const LayerInput& input, QuantizedTensor& out);

}  // namespace farthing
