// Alignment: how far two ways to run a text are apart in the log-probability of each next token.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/windows.h"
#include "model/checkpoint.h"

namespace farthing {

struct AlignOptions {
  KvCodec kv_cache = KvCodec::f32;
  double clip = 0.2;  // ratios outside [1 - clip, 1 + clip] count as clipped
  int threads = 1;    // the most threads that the engine is run on
};

// Of one pair (a, b). d = log p_a - log p_b of the text's next token, nats; r = exp(d), d clamped
// to [-10, 10] for everything that r is in.
struct Alignment {
  std::string name;
  int64_t tokens = 0;
  double mean = 0, max = 0, deviation = 0;  // of |d|
  double k3_mean = 0, k3_max = 0;           // r - 1 - log r
  double clip_fraction = 0, ratio_mean = 0;
  bool logits_compared = false;  // else log-probabilities alone are known
  bool equal_bits = true;        // of all logits compared, else of d (all are 0)
};

// All of them fail on a model whose results depend on the batch.
//
// The recording forward pass of the trainer over a packed batch, against the engine's: prompt in
// chunks, token by token, padded; each on one and on all threads, on every instruction set.
Result<std::vector<Alignment>> align_own(Checkpoint& checkpoint, const Windows& windows,
                                         const AlignOptions& options);
// The same with the forward pass of a model that is being trained, against the engine on what was
// written of it.
Result<std::vector<Alignment>> align_trained(const Model& trainer, Checkpoint& written,
                                             const Windows& windows, const AlignOptions& options);
// Two models on the same tokens.
Result<Alignment> align_models(Context& context, const Model& a, const Model& b,
                               const Windows& windows, const AlignOptions& options);
// A model and a file: f32 log p [windows, context - 1] (or as many in one row), or logits or
// log-probabilities of the whole vocabulary [windows, context, vocabulary].
Result<Alignment> align_saved(Context& context, const Model& a, const std::filesystem::path& file,
                              const Windows& windows, const AlignOptions& options);

}  // namespace farthing
