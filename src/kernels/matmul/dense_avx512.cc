// Dense kernels for AVX-512: 12 tokens x 32 outputs in 24 registers.
#include <type_traits>

#include "kernels/matmul/element_panels.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/outlier_panels.h"
#include "kernels/matmul/scratch.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/avx512.h"

namespace {
constexpr int most_tokens = 12;
constexpr int wide_panels = 2;
constexpr int narrow_panels = 4;
#include "kernels/matmul/dense.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions floats_avx512{ProductInput::floats, Packing::floats, run_floats};
extern const MatmulFunctions integers_avx512{ProductInput::floats, Packing::integers, run_integers};
extern const MatmulFunctions elements_avx512{ProductInput::floats, Packing::elements, run_elements};
extern const MatmulFunctions stored_avx512{ProductInput::floats, Packing::stored, run_stored};
}  // namespace farthing
