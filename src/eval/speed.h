// How fast a model reads a prompt and writes behind it.
#pragma once

#include <cstdint>
#include <optional>

#include "model/model.h"
#include "tensor/context.h"

namespace farthing {

struct SpeedOptions {
  int64_t prompt_tokens = 512;
  int64_t decode_tokens = 128;
  int runs = 3;
  std::optional<KvCodec> kv_cache = {};  // absent: as the model says
  double enough_seconds = 15;            // no further run starts after so long
};

// Tokens a second: the median over the runs, and the slowest and the fastest run.
struct Rate {
  double median = 0, slowest = 0, fastest = 0;
};

// Of one sequence. Prompt and decode are shortened where the model has fewer positions.
struct Speed {
  int64_t prompt_tokens = 0, decode_tokens = 0;
  int runs = 0;  // that were timed
  Rate prompt, decode;
};

// Each run: a prompt into an empty cache, then tokens one by one behind it. A short run before them
// warms up.
Speed measure_speed(Context& context, const Model& model, const SpeedOptions& options = {});

}  // namespace farthing
