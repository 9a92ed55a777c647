// DecoderPlan: what a decoder consists of, as plain data. An architecture's reader makes it from
// config.json; everything that needs a model's shape, names or constants asks it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/activation_functions/activation_functions.h"
#include "model/rotation.h"
#include "ops/elementwise.h"
#include "ops/experts/experts.h"
#include "ops/rope.h"

namespace farthing {

// Names are Hugging Face's, without ".weight" and ".bias"; an empty one says that there is no such
// part.

// y = x W^T + bias, W [n, k].
struct LinearPlan {
  std::string name;
  int64_t n = 0, k = 0;
  bool bias = false;
  bool to_residual = false;      // its output is added to the stream between blocks
  bool transposed = false;       // Hugging Face's files hold [k, n]
  bool keeps_precision = false;  // quantizing leaves it as it is
  // Hugging Face's files hold it as the i-th of a stack [count, n, k], its bias of stack_bias.
  std::string stack = {}, stack_bias = {};
  int64_t in_stack = 0;
};

// One of several results that share a linear, by the linear's outputs: outputs begin + step i + j
// for j < width, i ascending, up to `count` of them in all.
struct ColumnsPlan {
  size_t linear = 0;
  int64_t begin = 0, width = 0, step = 0, count = 0;

  // All outputs of a linear of its own.
  static ColumnsPlan all(size_t linear, int64_t n) { return {linear, 0, n, n, n}; }
  static ColumnsPlan block(size_t linear, int64_t begin, int64_t n) {
    return {linear, begin, n, n, n};
  }
};

enum class NormKind {
  rms,           // x / rms(x) * gain
  rms_one_plus,  // x / rms(x) * (1 + gain)
  layer,         // (x - mean) / deviation * gain + bias
};

struct NormPlan {
  std::string name;
  int64_t size = 0;
  float epsilon = 0;
  NormKind kind = NormKind::rms;
};

struct AttentionPlan {
  std::vector<LinearPlan> inputs;
  ColumnsPlan q, k, v;
  NormPlan q_norm, k_norm;  // of each head, before the rotation
  LinearPlan output;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int rope = 0;           // which of the decoder's tables turns q and k; -1: none does
  float scale = 0;        // of the scores
  float softcap = 0;      // of the scaled scores; 0: none
  int64_t window = 0;     // keys that a token sees, itself the last; 0: all
  std::string sinks;      // a vector [heads]: a score of each head that no key has
  bool hadamard = false;  // of each head's q and k, behind the rotation by positions
};

// DeepSeek's multi-head latent attention. Keys and values come from a latent vector, and the
// rotated part of a key, of which all heads have the same, from beside it: with c, r =
// kv_latent(x), head h has the key [key_h(norm(c)), rope(r)] and the value value_h(norm(c)).
struct LatentAttentionPlan {
  LinearPlan query_latent;  // [rank, hidden]; without a name queries come from x
  NormPlan query_norm;
  LinearPlan query;      // [heads * (plain_dim + rotary_dim), rank or hidden]
  LinearPlan kv_latent;  // [kv_rank + rotary_dim, hidden]
  NormPlan kv_norm;
  LinearPlan key_value;  // [heads * (plain_dim + value_dim), kv_rank]
  LinearPlan output;     // [hidden, heads * value_dim]
  int64_t heads = 0, kv_rank = 0, plain_dim = 0, rotary_dim = 0, value_dim = 0;
  bool interleaved_rope = false;  // rotated pairs are neighbours, in queries and keys
  float scale = 0;                // of the scores
  bool hadamard = false;          // of each head's q and k, behind their positions

  int64_t head_dim() const { return plain_dim + rotary_dim; }  // of keys; values are no longer
};

// down(f(gate(x)) * up(x)); without `up` (its count is 0) down(f(gate(x))).
struct MlpPlan {
  std::vector<LinearPlan> inputs;
  ColumnsPlan gate, up;
  ActivationFunction function = ActivationFunction::silu;
  ops::ClampedSwiglu clamped{0, 0};  // with a limit: in place of both
  LinearPlan down;
  bool hadamard = false;  // of what `down` reads
};

// The sum of what a token's chosen experts give, each times its weight, and what the shared one
// gives.
struct ExpertsPlan {
  LinearPlan router;  // [experts, hidden]
  std::vector<MlpPlan> experts;
  ops::RoutingOptions routing;
  std::string choice_bias;  // a vector [experts], added to the scores where experts are chosen
  MlpPlan shared;           // every token's; without inputs there is none
};

// h = x + after(attention(norm(x))); y = h + after(mlp(norm(h))). Parallel: y = x +
// attention(norm(x)) + mlp(norm(x)), each with its own norm.
struct BlockPlan {
  NormPlan attention_norm, after_attention, mlp_norm, after_mlp;
  AttentionPlan attention;     // or, where it has heads,
  LatentAttentionPlan latent;  // this
  MlpPlan mlp;                 // or, where there are any,
  ExpertsPlan experts;
  bool parallel = false;
};

// The angles of a part of each head.
struct RopePlan {
  RopeParameters parameters;
  int64_t rotary_dim = 0;  // the first so many elements of a head are turned
};

struct DecoderPlan {
  LinearPlan embedding;        // [vocabulary, hidden]
  float embedding_scale = 1;   // its rows are multiplied by this
  LinearPlan positions;        // [positions, hidden], added to the embedding
  int64_t first_position = 0;  // the row of position 0
  std::vector<RopePlan> ropes;
  std::vector<BlockPlan> blocks;
  NormPlan final_norm;
  LinearPlan head;          // [vocabulary, hidden]; without a name the embedding is the head
  float logit_softcap = 0;  // 0: none
  Rotation rotation;        // what was rotated, in the weights and here
};

}  // namespace farthing
