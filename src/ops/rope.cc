// The table of rotation angles, and rotation by a kernel call for each row.
#include "ops/rope.h"

#include <algorithm>

#include "kernels/rope/rope.h"
#include "kernels/scalar_math.h"
#include "ops/rows.h"

namespace farthing {

namespace {

// Llama 3.1's stretching, rounded in the steps of transformers' modeling_rope_utils.py,
// _compute_llama3_parameters: short waves stay, long ones are divided by `factor`, those between
// are blended.
float llama3_frequency(float frequency, const RopeParameters& p) {
  const float length = static_cast<float>(p.original_max_positions),
              factor = static_cast<float>(p.factor);
  const float low = static_cast<float>(p.low_freq_factor),
              high = static_cast<float>(p.high_freq_factor);
  const float wave = static_cast<float>(2.0 * 3.14159265358979323846) / frequency;
  if (wave < length / high) return frequency;
  if (wave > length / low) return frequency / factor;
  const float smooth = (length / wave - low) / (high - low);
  return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

float scaled_frequency(float frequency, const RopeParameters& p) {
  switch (p.scaling) {
    case RopeScaling::none:
      return frequency;
    case RopeScaling::linear:
      return frequency / static_cast<float>(p.factor);
    case RopeScaling::llama3:
      return llama3_frequency(frequency, p);
  }
  return frequency;
}

}  // namespace

RopeTable::RopeTable(const RopeParameters& parameters, int64_t head_dim) : head_dim_(head_dim) {
  CHECK(head_dim >= 2 && head_dim % 2 == 0);
  CHECK(parameters.theta >= 1.0 && parameters.factor > 0.0);
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float frequency = 1.0f / static_cast<float>(fixed_pow(parameters.theta, exponent));
    frequencies_.push_back(scaled_frequency(frequency, parameters));
  }
}

void RopeTable::reserve(int64_t positions) {
  if (positions <= positions_) return;
  CHECK(positions <= most_positions);
  const auto pairs = static_cast<size_t>(head_dim_ / 2);
  cos_.reserve(static_cast<size_t>(positions) * pairs);
  sin_.reserve(static_cast<size_t>(positions) * pairs);
  for (; positions_ < positions; ++positions_)
    for (const float frequency : frequencies_) {
      const float angle = static_cast<float>(positions_) * frequency;
      const SineCosine of_angle = fixed_sin_cos(angle);
      cos_.push_back(static_cast<float>(of_angle.cos));
      sin_.push_back(static_cast<float>(of_angle.sin));
    }
}

namespace ops {

namespace {

// Checks the arguments of both directions, and makes the table long enough.
void prepare(RopeTable& table, std::span<const int32_t> positions, int64_t head_dim,
             View<const float, 2> x) {
  CHECK(table.head_dim() <= head_dim && x.columns % head_dim == 0);
  CHECK(static_cast<int64_t>(positions.size()) == x.rows);
  int64_t end = 0;
  for (const int32_t position : positions) {
    CHECK(position >= 0 && position < RopeTable::most_positions);
    end = std::max(end, int64_t{position} + 1);
  }
  if (end > table.positions())
    table.reserve(std::min(RopeTable::most_positions, std::max(end, 2 * table.positions())));
}

}  // namespace

void rope_forward(Context& context, RopeTable& table, std::span<const int32_t> positions,
                  int64_t head_dim, View<float, 2> x) {
  prepare(table, positions, head_dim, x);
  const RopeKernel& kernel = choose_rope_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    const int64_t position = positions[r];
    kernel->rotate(x.row(r), x.columns / head_dim, head_dim, table.head_dim(), table.cos(position),
                   table.sin(position));
  });
}

void rope_backward(Context& context, RopeTable& table, std::span<const int32_t> positions,
                   int64_t head_dim, View<float, 2> gradient) {
  prepare(table, positions, head_dim, gradient);
  const RopeKernel& kernel = choose_rope_kernel(context.isa);
  for_each_row(context, gradient.rows, gradient.columns, [&](int64_t r) {
    const int64_t position = positions[r];
    kernel->rotate_back(gradient.row(r), gradient.columns / head_dim, head_dim, table.head_dim(),
                        table.cos(position), table.sin(position));
  });
}

}  // namespace ops
}  // namespace farthing
