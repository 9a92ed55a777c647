// Portable dense kernels: they define the bits.
#include <type_traits>

#include "kernels/matmul/element_panels.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/outlier_panels.h"
#include "kernels/matmul/scratch.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/portable.h"

namespace {
constexpr int most_tokens = 4;
constexpr int wide_panels = 1;
constexpr int narrow_panels = 0;
#include "kernels/matmul/dense.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions floats_portable{ProductInput::floats, Packing::floats, run_floats};
extern const MatmulFunctions integers_portable{ProductInput::floats, Packing::integers,
                                               run_integers};
extern const MatmulFunctions elements_portable{ProductInput::floats, Packing::elements,
                                               run_elements};
extern const MatmulFunctions stored_portable{ProductInput::floats, Packing::stored, run_stored};
}  // namespace farthing
