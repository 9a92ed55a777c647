// The floating-point mode that every thread computes in: round to nearest even, denormals kept.
#pragma once

#include <xmmintrin.h>

namespace farthing {

// Sets MXCSR: all exceptions masked, nearest even, neither flush-to-zero nor denormals-are-zero.
inline void set_float_mode() { _mm_setcsr(0x1f80); }

}  // namespace farthing
