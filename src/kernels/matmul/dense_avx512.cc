// Dense kernels for AVX-512: 12 tokens x 32 outputs in 24 registers.
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/scratch.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/avx512.h"

namespace {
constexpr int most_tokens = 12;
constexpr int wide_panels = 2;
#include "kernels/matmul/dense.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions floats_avx512{ProductInput::floats, Packing::floats, run_floats};
extern const MatmulFunctions integers_avx512{ProductInput::floats, Packing::integers, run_integers};
extern const MatmulFunctions stored_avx512{ProductInput::floats, Packing::stored,
                                           run_dense<StoredTiles>};
}  // namespace farthing
