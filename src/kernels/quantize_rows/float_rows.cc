// Rows of activations rounded to small floats and back, with the scales of the weight formats.
#include "kernels/quantize_rows/float_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/scale_rule.h"
#include "formats/small_floats/micro_scaled.h"
#include "formats/small_floats/nvfp4.h"
#include "formats/small_floats/small_float.h"
#include "tensor/dtype.h"

namespace farthing {
namespace {

void bf16(const float* x, int64_t k, const StaticInput&, float* values) noexcept {
  for (int64_t i = 0; i < k; ++i) values[i] = f32_from_bf16(bf16_from_f32(x[i]));
}

void fill_nan(float* values, int64_t count) {
  std::fill_n(values, count, std::numeric_limits<float>::quiet_NaN());
}

// A group with an f32 scale amax / largest.
template <class Element>
void round_scaled(const float* x, int64_t count, float* values) {
  const float amax = amax_of(x, count);
  if (!is_finite(amax)) return fill_nan(values, count);
  float scale = amax / Element::largest, divisor = scale;
  if (scale == 0) {  // zeros, or so small that the scale vanishes: divided by infinity, all is zero
    scale = 1;
    divisor = INFINITY;
  }
  for (int64_t i = 0; i < count; ++i)
    values[i] = scale * Element::decode(Element::encode(x[i] / divisor));
}

// A block of the microscaling formats.
template <class Element>
void round_micro_scaled(const float* x, int64_t count, float* values) {
  const float amax = amax_of(x, count);
  if (!is_finite(amax)) return fill_nan(values, count);
  const int code = power_of_two_scale(ScaleRule::floor, amax, Element::largest, Element::mantissa);
  const float scale = f32_from_e8m0(static_cast<uint8_t>(code));
  const float inverse = f32_from_e8m0(static_cast<uint8_t>(254 - code));
  for (int64_t i = 0; i < count; ++i)
    values[i] = scale * Element::decode(Element::encode(x[i] * inverse));
}

// A block of NVFP4 over the scale g.
void round_nvfp4(const float* x, int64_t count, float g, float* values) {
  const float amax = amax_of(x, count);
  if (!is_finite(amax)) return fill_nan(values, count);
  const float scale = E4m3::decode(amax == 0 ? E4m3::encode(1.0f)
                                             : Nvfp4<false>::scale_code(amax, E2m1::largest, g)) *
                      g;
  const float divisor = scale == 0 ? INFINITY : scale;
  for (int64_t i = 0; i < count; ++i)
    values[i] = scale * E2m1::decode(E2m1::encode(x[i] / divisor));
}

template <class Round>
void each_group(const float* x, int64_t k, int64_t group, float* values, const Round& round) {
  for (int64_t at = 0; at < k; at += group)
    round(x + at, k - at < group ? k - at : group, values + at);
}

void fp8_e4m3_token(const float* x, int64_t k, const StaticInput&, float* values) noexcept {
  round_scaled<E4m3>(x, k, values);
}
void fp8_e4m3_g128(const float* x, int64_t k, const StaticInput&, float* values) noexcept {
  each_group(x, k, 128, values, round_scaled<E4m3>);
}
void mxfp8(const float* x, int64_t k, const StaticInput&, float* values) noexcept {
  each_group(x, k, MicroScaled<E4m3>::block, values, round_micro_scaled<E4m3>);
}
void mxfp4(const float* x, int64_t k, const StaticInput&, float* values) noexcept {
  each_group(x, k, MicroScaled<E2m1>::block, values, round_micro_scaled<E2m1>);
}

void int8_static_asym(const float* x, int64_t k, const StaticInput& input, float* values) noexcept {
  if (!is_finite(amax_of(x, k))) return fill_nan(values, k);
  // code - zero, so that no sum of a large quotient and the zero point is rounded
  const float low = -128.0f - static_cast<float>(input.zero), high = low + 255.0f;
  for (int64_t i = 0; i < k; ++i) {
    const float quotient = x[i] / input.scale;
    const float inside = quotient < low ? low : quotient > high ? high : quotient;
    values[i] = round_even(inside) * input.scale;
  }
}

void fp8_e4m3_static(const float* x, int64_t k, const StaticInput& input, float* values) noexcept {
  if (!is_finite(amax_of(x, k))) return fill_nan(values, k);
  for (int64_t i = 0; i < k; ++i)
    values[i] = input.scale * E4m3::decode(E4m3::encode(x[i] / input.scale));
}

void nvfp4(const float* x, int64_t k, const StaticInput& input, float* values) noexcept {
  each_group(x, k, Nvfp4<false>::block, values, [&](const float* from, int64_t count, float* to) {
    round_nvfp4(from, count, input.scale, to);
  });
}

}  // namespace

RoundFloatRow float_row_rounding(Activations activations) {
  switch (activations) {
#define FARTHING_ACTIVATIONS(name, ...)
#define FARTHING_INT8_ACTIVATIONS(name, ...)
#define FARTHING_FLOAT_ACTIVATIONS(name, ...) \
  case Activations::name:                     \
    return name;
#include "formats/activations.inc"
#undef FARTHING_FLOAT_ACTIVATIONS
#undef FARTHING_INT8_ACTIVATIONS
#undef FARTHING_ACTIVATIONS
    default:
      return nullptr;
  }
}

}  // namespace farthing
