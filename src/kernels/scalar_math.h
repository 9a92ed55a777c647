// exp, log, power, sine and cosine of one double, with the same bits on every machine.
#pragma once

namespace farthing {

// Made of additions, multiplications and divisions in a fixed order, without libm, which picks FMA
// variants by the processor. Errors are below 4 units of 2^-53, relative; docs/numerics.md.

// e^x for |x| <= 700.
double fixed_exp(double x);
// ln x for normal x > 0; -infinity for 0, NaN for x < 0 and NaN, +infinity for +infinity.
double fixed_log(double x);
// base^exponent for base > 0; |exponent * ln base| <= 700. The error grows with that product.
double fixed_pow(double base, double exponent);

struct SineCosine {
  double sin, cos;
};
// |x| <= 2^20.
SineCosine fixed_sin_cos(double x);

}  // namespace farthing
