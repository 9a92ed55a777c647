// The table of rotation angles, and rotation by a kernel call for each row.
#include "ops/rope.h"

#include <algorithm>
#include <cmath>

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

// YaRN (arXiv 2309.00071), in the steps of transformers' _compute_yarn_parameters: fast pairs stay,
// slow ones are divided by `factor`, and a ramp over the pairs blends those between.
float yarn_frequency(int64_t pair, int64_t dim, float power, const RopeParameters& p) {
  constexpr double pi = 3.14159265358979323846;
  const auto pair_of_turns = [&](double turns) {
    const double length = static_cast<double>(p.original_max_positions);
    return static_cast<double>(dim) * fixed_log(length / (turns * 2 * pi)) /
           (2 * fixed_log(p.theta));
  };
  double low = pair_of_turns(p.beta_fast), high = pair_of_turns(p.beta_slow);
  if (p.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  const float position =
      (static_cast<float>(pair) - static_cast<float>(low)) / static_cast<float>(high - low);
  const float kept = 1.0f - std::min(std::max(position, 0.0f), 1.0f);
  const float slow = 1.0f / (static_cast<float>(p.factor) * power), fast = 1.0f / power;
  return slow * (1.0f - kept) + fast * kept;
}

float scaled_frequency(float frequency, const RopeParameters& p) {
  switch (p.scaling) {
    case RopeScaling::none:
      return frequency;
    case RopeScaling::linear:
      return frequency / static_cast<float>(p.factor);
    case RopeScaling::llama3:
      return llama3_frequency(frequency, p);
    case RopeScaling::yarn:
    case RopeScaling::factors:
      break;  // have their own
  }
  return frequency;
}

}  // namespace

RopeTable::RopeTable(const RopeParameters& parameters, int64_t head_dim)
    : head_dim_(head_dim), attention_factor_(static_cast<float>(parameters.attention_factor)) {
  CHECK(head_dim >= 2 && head_dim % 2 == 0);
  CHECK(parameters.theta >= 1.0 && parameters.factor > 0.0);
  CHECK(parameters.scaling != RopeScaling::factors ||
        static_cast<int64_t>(parameters.factors.size()) == head_dim / 2);
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float power = static_cast<float>(fixed_pow(parameters.theta, exponent));
    if (parameters.scaling == RopeScaling::yarn) {
      frequencies_.push_back(yarn_frequency(i, head_dim, power, parameters));
    } else if (parameters.scaling == RopeScaling::factors) {
      frequencies_.push_back(1.0f / (parameters.factors[static_cast<size_t>(i)] * power));
    } else {
      frequencies_.push_back(scaled_frequency(1.0f / power, parameters));
    }
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
      cos_.push_back(static_cast<float>(of_angle.cos) * attention_factor_);
      sin_.push_back(static_cast<float>(of_angle.sin) * attention_factor_);
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
