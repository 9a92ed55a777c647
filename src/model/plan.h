// DecoderPlan: what a decoder consists of, as plain data. An architecture's reader makes it from
// config.json; everything that needs a model's shape, names or constants asks it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/rope.h"

namespace farthing {

// Names are Hugging Face's, without ".weight" and ".bias"; an empty one says that there is no such
// part.

// y = x W^T + bias, W [n, k].
struct LinearPlan {
  std::string name;
  int64_t n = 0, k = 0;
  bool bias = false;
  bool to_residual = false;  // its output is added to the stream between blocks
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

struct NormPlan {
  std::string name;
  int64_t size = 0;
  float epsilon = 0;
};

struct AttentionPlan {
  std::vector<LinearPlan> inputs;
  ColumnsPlan q, k, v;
  LinearPlan output;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
};

// down(silu(gate(x)) * up(x))
struct MlpPlan {
  std::vector<LinearPlan> inputs;
  ColumnsPlan gate, up;
  LinearPlan down;
};

// h = x + attention(norm(x)); y = h + mlp(norm(h)).
struct BlockPlan {
  NormPlan attention_norm, mlp_norm;
  AttentionPlan attention;
  MlpPlan mlp;
};

struct DecoderPlan {
  LinearPlan embedding;  // [vocabulary, hidden]
  RopeParameters rope;
  std::vector<BlockPlan> blocks;
  NormPlan final_norm;
  LinearPlan head;  // [vocabulary, hidden]; without a name the embedding is the head
};

}  // namespace farthing
