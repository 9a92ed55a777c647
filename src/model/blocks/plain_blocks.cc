// Blocks as GPT's.
#include "model/blocks/plain_blocks.h"

#include <cmath>

namespace farthing {

BlockPlan plain_block(const DecoderSizes& s, const std::string& prefix, const PlainNames& names,
                      float epsilon, ActivationFunction function) {
  BlockPlan block;
  block.attention_norm = {prefix + names.attention_norm, s.hidden, epsilon, NormKind::layer};
  block.mlp_norm = {prefix + names.mlp_norm, s.hidden, epsilon, NormKind::layer};
  AttentionPlan& attention = block.attention;
  attention.output = {prefix + names.output, s.hidden, s.heads * s.head_dim, true, true};
  attention.heads = s.heads;
  attention.kv_heads = s.kv_heads;
  attention.head_dim = s.head_dim;
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim)));
  MlpPlan& mlp = block.mlp;
  mlp.inputs = {{prefix + names.up, s.inner, s.hidden, true}};
  mlp.gate = ColumnsPlan::all(0, s.inner);
  mlp.function = function;
  mlp.down = {prefix + names.down, s.hidden, s.inner, true, true};
  return block;
}

}  // namespace farthing
