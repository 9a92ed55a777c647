// Range reductions and Taylor series in double.
#include "kernels/scalar_math.h"

#include <bit>
#include <cstdint>

namespace farthing {

namespace {

// ln 2 and pi / 2 in two parts: the first has so few bits that its product with a small whole
// number is exact.
constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
constexpr double half_pi_high = 0x1.921fb544p+0, half_pi_low = 0x1.0b4611a626331p-34;

double power_of_two(int64_t n) {
  return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52);
}

double round_even(double x) {
  constexpr double magic = 0x1.8p52;
  return (x + magic) - magic;
}

}  // namespace

double fixed_exp(double x) {
  const double n = round_even(x * 0x1.71547652b82fep+0);
  const double r = (x - n * ln2_high) - n * ln2_low;
  // sum of r^i / i! up to 14: |r| <= 0.347 leaves r^15 / 15! < 1e-19
  double sum = 1.0;
  for (int i = 14; i >= 1; --i) sum = 1.0 + sum * r / i;
  return sum * power_of_two(static_cast<int64_t>(n));
}

double fixed_log(double x) {
  if (!(x > 0.0)) return x == 0.0 ? -__builtin_inf() : __builtin_nan("");
  if (x == __builtin_inf()) return x;
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int64_t n = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 0x1.6a09e667f3bcdp+0) m *= 0.5, ++n;
  // ln m = 2 artanh(s), s = (m - 1) / (m + 1): s^2 <= 0.0295 leaves s^24 / 25 < 1e-19
  const double s = (m - 1.0) / (m + 1.0), square = s * s;
  double sum = 0.0;
  for (int i = 23; i >= 3; i -= 2) sum = (sum + 1.0 / i) * square;
  const double whole = static_cast<double>(n);
  return whole * ln2_high + (2.0 * s + (2.0 * s * sum + whole * ln2_low));
}

double fixed_pow(double base, double exponent) { return fixed_exp(exponent * fixed_log(base)); }

SineCosine fixed_sin_cos(double x) {
  const double n = round_even(x * 0x1.45f306dc9c883p-1);
  const double r = (x - n * half_pi_high) - n * half_pi_low, square = r * r;
  // Taylor: |r| <= 0.786 leaves r^21 / 21! < 1e-21
  double sin = 1.0, cos = 1.0;
  for (int i = 18; i >= 2; i -= 2) {
    cos = 1.0 - cos * square / (i * (i - 1));
    sin = 1.0 - sin * square / (i * (i + 1));
  }
  sin *= r;
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      return {sin, cos};
    case 1:
      return {cos, -sin};
    case 2:
      return {-sin, -cos};
    default:
      return {-cos, sin};
  }
}

}  // namespace farthing
