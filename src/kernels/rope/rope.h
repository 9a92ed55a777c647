// Kernels of rotary position embedding.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

struct RopeFunctions {
  // Rotates each head of one token's row x [heads * head_dim] in place, with h = rotary_dim / 2
  // angles; what lies behind the first rotary_dim elements of a head stays: (x[i], x[i + h])
  // becomes (x[i] cos[i] - x[i + h] sin[i], x[i + h] cos[i] + x[i] sin[i]), each operation rounded.
  void (*rotate)(float* x, int64_t heads, int64_t head_dim, int64_t rotary_dim, const float* cos,
                 const float* sin) noexcept;
  // The rotation by minus the angles, which is also the gradient of rotate: (x[i], x[i + h])
  // becomes (x[i] cos[i] + x[i + h] sin[i], x[i + h] cos[i] - x[i] sin[i]), each operation rounded.
  void (*rotate_back)(float* x, int64_t heads, int64_t head_dim, int64_t rotary_dim,
                      const float* cos, const float* sin) noexcept;
};

using RopeKernel = Kernel<RopeFunctions>;
std::span<const RopeKernel> rope_kernels();
const RopeKernel& choose_rope_kernel(Isa isa);

}  // namespace farthing
