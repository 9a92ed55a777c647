// LatentAttention: DeepSeek's multi-head latent attention (arXiv 2405.04434, section 2.1).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/decoder/parts.h"

namespace farthing {

// The cache holds each head's key and value, not the latent vector that they come from. In ours the
// rotated part of a head comes first, and values end in zeros up to the length of a key.
class LatentAttention {
 public:
  explicit LatentAttention(const LatentAttentionPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x, const Batch& batch,
                      RopeTable& rope, int64_t layer) const;

 private:
  LatentAttentionPlan plan_;
  Linears inputs_;                // query_latent, or query; kv_latent
  std::optional<Linears> query_;  // of the query_latent
  Linears key_value_, output_;
  Norm query_norm_, kv_norm_;
  const ops::HadamardMatrix* hadamard_;  // null: none
  // Columns, as ag::select_columns takes them.
  std::vector<int32_t> query_columns_, shared_key_columns_, key_columns_, every_heads_key_columns_,
      value_columns_, output_columns_;
};

}  // namespace farthing
