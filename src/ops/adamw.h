// AdamW's step, and what decides on it: bias corrections and the norm of a gradient.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"

namespace farthing {

// Of one step. Decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW.
struct AdamWParameters {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  double correction1 = 1.0, correction2 = 1.0;  // bias_correction(beta1 and beta2, step)
};

// 1 - beta^step by repeated multiplication in double, the same bits everywhere; step counts from 1,
// 0 <= beta < 1.
double bias_correction(double beta, int64_t step);

namespace ops {

// value = value (1 - learning_rate weight_decay) - learning_rate / correction1 * m / (sqrt(v) /
// sqrt(correction2) + epsilon), where m (first_moment) and v (second_moment) first take up g =
// gradient * gradient_scale: m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g^2. All of one
// length, and none overlaps another. Constants are computed in double and rounded to f32 once;
// kernels/adamw/adamw.h has the order of roundings. fixed_order.
void adamw_step(Context& context, const AdamWParameters& parameters, std::span<float> value,
                std::span<const float> gradient, std::span<float> first_moment,
                std::span<float> second_moment, float gradient_scale);

// The sum of x[i]^2, in double throughout: blocks of 4096 elements, 16 lanes each, added in
// ascending order. Finite exactly where every element is finite, so it also tells whether a
// gradient can be used. fixed_order.
double sum_of_squares(Context& context, std::span<const float> x);

}  // namespace ops
}  // namespace farthing
