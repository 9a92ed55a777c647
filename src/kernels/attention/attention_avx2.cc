// Causal attention in AVX2.
#include "kernels/attention/attention.h"
#include "kernels/vec/avx2.h"

#define FARTHING_TILE_ROWS 6
#define FARTHING_TILE_VECS 1
#include "kernels/attention/attention.inc"

namespace farthing {
extern const AttentionFunctions attention_avx2;
const AttentionFunctions attention_avx2{.attend = attend,
                                        .merge = merge,
                                        .weights = weights,
                                        .softcap_slopes = softcap_slopes,
                                        .decode_keys = decode_keys,
                                        .decode_values = decode_values,
                                        .finish = finish};
}  // namespace farthing
