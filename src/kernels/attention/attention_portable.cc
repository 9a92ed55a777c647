// Causal attention in plain C++.
#include "kernels/attention/attention.h"
#include "kernels/vec/portable.h"

#define FARTHING_TILE_ROWS 2
#define FARTHING_TILE_VECS 1
#include "kernels/attention/attention.inc"

namespace farthing {
extern const AttentionFunctions attention_portable;
const AttentionFunctions attention_portable{.attend = attend,
                                            .merge = merge,
                                            .weights = weights,
                                            .softcap_slopes = softcap_slopes,
                                            .decode_keys = decode_keys,
                                            .decode_values = decode_values,
                                            .finish = finish};
}  // namespace farthing
