// The one list of number formats. A format is a header that describes its parts, and one line here; the run-time
// table, the listing, the conformance tests and the benchmarks all come from this list.
#pragma once

#include "formats/float_plane.h"
#include "formats/gguf_block32.h"
#include "formats/integer_group.h"

// FORMAT(name, expression that makes a Format; its name is filled in)
#define FARTHING_FORMATS(FORMAT)                                  \
  FORMAT(f32, FloatPlane<DType::f32>::format(0))                  \
  FORMAT(f16, FloatPlane<DType::f16>::format(1))                  \
  FORMAT(bf16, FloatPlane<DType::bf16>::format(30))               \
  FORMAT(int8_row, IntegerGroup<8, 0, false>::format())           \
  FORMAT(int4_g32, IntegerGroup<4, 32, false>::format())          \
  FORMAT(int4_g128, IntegerGroup<4, 128, false>::format())        \
  FORMAT(int4_g128_asym, IntegerGroup<4, 128, true>::format())    \
  FORMAT(q4_0, Block32<GgufBlock::q4_0>::format(2))               \
  FORMAT(q4_1, Block32<GgufBlock::q4_1>::format(3))               \
  FORMAT(q8_0, Block32<GgufBlock::q8_0>::format(8))
