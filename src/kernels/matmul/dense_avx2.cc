// Dense kernels for AVX2: 6 tokens x 16 outputs in twelve registers.
#include <type_traits>

#include "kernels/matmul/element_panels.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/outlier_panels.h"
#include "kernels/matmul/scratch.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/avx2.h"

namespace {
constexpr int most_tokens = 6;
constexpr int wide_panels = 1;
constexpr int narrow_panels = 2;
#include "kernels/matmul/dense.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions floats_avx2{ProductInput::floats, Packing::floats, run_floats};
extern const MatmulFunctions integers_avx2{ProductInput::floats, Packing::integers, run_integers};
extern const MatmulFunctions elements_avx2{ProductInput::floats, Packing::elements, run_elements};
extern const MatmulFunctions stored_avx2{ProductInput::floats, Packing::stored, run_stored};
}  // namespace farthing
