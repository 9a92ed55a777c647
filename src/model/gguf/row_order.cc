// Queries and keys as pairs of neighbours, and q, k and v one after another.
#include "model/gguf/row_order.h"

namespace farthing {

GgufRowOrder gguf_row_order(const GgufNaming& naming, const ModelConfig& config,
                            const std::string& name) {
  const int64_t dim = config.head_dim, heads = config.heads;
  const auto is = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (naming.interleaved_rope && (is("q_proj.") || is("k_proj.")))
    return [dim](int64_t row) {
      const int64_t j = row % dim;
      return row - j + (j < dim / 2 ? 2 * j : 2 * (j - dim / 2) + 1);
    };
  if (naming.qkv_in_blocks && is("query_key_value."))
    return [dim, heads](int64_t row) {  // ours (head, part, j), theirs (part, head, j)
      const int64_t head = row / (3 * dim), part = row / dim % 3;
      return (part * heads + head) * dim + row % dim;
    };
  return {};
}

}  // namespace farthing
