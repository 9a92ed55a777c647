// What serving a model takes: memory by its parts, and bytes on disk.
#pragma once

#include <optional>
#include <vector>

#include "advise/layer_groups.h"
#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

struct ServingOptions {
  std::optional<QuantizeOptions> quantize = {};  // on the way into memory; absent: as it is stored
  std::optional<KvCodec> kv_cache_dtype = {};    // absent: as the model says
  int64_t context = 0;                   // positions of each sequence; 0: the model's, at most 4096
  int64_t batch = 1;                     // sequences at once
  int64_t max_num_batched_tokens = 512;  // tokens of one step
};

// Bytes, if not said otherwise.
struct ServingPlan {
  int64_t context = 0, batch = 0;
  std::vector<LayerGroup> linears;  // a tied head too
  int64_t parameters = 0;
  // As a file holds them; positions count as embedding. A tied head has no bytes of its own.
  int64_t blocks_stored = 0, embedding_stored = 0, head_stored = 0;
  // In memory once the model is there, and besides at the highest moment of loading.
  int64_t weights = 0, loading = 0;
  // What products read of the mapped file: the system may drop these pages and read them again.
  int64_t mapped = 0;
  KvCodec kv_codec = KvCodec::f32;
  int64_t kv_pages = 0, kv_page_bytes = 0;
  int64_t rope_tables = 0, logits = 0, workspace = 0;
  int64_t process = 0;  // the program, and what its allocator keeps

  int64_t stored() const { return blocks_stored + embedding_stored + head_stored; }
  int64_t kv_cache() const { return kv_pages * kv_page_bytes; }
  int64_t activations() const { return rope_tables + logits + workspace; }
  // Memory that is not a mapped file's, at the highest moment.
  int64_t peak() const;
};

// Rehearses loading the model, a step of a prompt and one of decoding (base/rehearsal.h), so that
// what the program itself would take is counted. Experts get as many tokens each. Fails as
// loading does, and where the model has fewer positions than the context.
Result<ServingPlan> plan_serving(int threads, Isa isa, Checkpoint& from,
                                 const ServingOptions& options);

// Memory of this process that is not a mapped file's, now.
int64_t anonymous_bytes();

}  // namespace farthing
