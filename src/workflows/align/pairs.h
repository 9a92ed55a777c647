// Pairs of ways to run a text: how far they are apart in log-probabilities, and operator by
// operator.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/windows.h"
#include "model/model.h"
#include "workflows/align/operators.h"

namespace farthing {

struct PairOptions {
  std::optional<KvCodec> kv_cache = {};  // absent: as each model says
  double clip = 0.2;                     // ratios outside [1 - clip, 1 + clip] count as clipped
  int threads = 1;                       // the most threads that the engine is run on
  // As many windows of a recorded batch as fit are kept at a time for comparing operators, at least
  // one; the batch is recorded again for the next.
  int64_t kept_bytes = int64_t{512} << 20;
};

// Of one pair (a, b). d = log p_a - log p_b of the text's next token, nats; r = exp(d), d clamped
// to [-10, 10] for everything that r is in.
struct Alignment {
  std::string name;
  int64_t tokens = 0;
  double mean = 0, max = 0, deviation = 0;  // of |d|
  double k3_mean = 0, k3_max = 0;           // r - 1 - log r
  double clip_fraction = 0, ratio_mean = 0;
  bool logits_compared = false;               // else log-probabilities alone are known
  bool equal_bits = true;                     // of all logits compared, else of d (all are 0)
  std::vector<double> log_p;                  // of b, as AlignedPairs::log_p; NaN: not computed
  std::vector<OperatorDifference> operators;  // as AlignedPairs::operators; empty: not compared

  // The first in the order of execution whose output differs; -1 where none does.
  int64_t first_operator() const;
  // Whether every bit that was compared is equal.
  bool equal() const { return equal_bits && max == 0 && first_operator() < 0; }
};

// What all pairs share is a.
struct AlignedPairs {
  std::vector<Alignment> pairs;
  // Of each scored position, window after window: position t of a window holds log p of its
  // token t + 1.
  std::vector<double> log_p;
  std::vector<OperatorInfo> operators;  // in the order of execution; empty: not compared
  std::string operators_note;           // why they were not compared
  std::vector<int64_t> batches;         // windows of each recorded batch

  bool equal() const;
  // The pair with the largest |d|, then with an unequal bit; there is at least one pair.
  const Alignment& worst() const;
  // No |d| beyond the bound; a bound of 0 asks for equal bits of the logits, too. A NaN is within
  // no bound.
  bool within(double bound) const;
};

// All of them fail on a model whose results depend on the batch.
//
// The recording forward pass of the trainer over packed batches, against the engine's: prompt in
// chunks, token by token, padded; each on one and on all threads, on every instruction set. Batches
// of 1, 3 and 17 windows follow each other; those of 17 are recorded with checkpoints.
Result<AlignedPairs> align_own(const ModelConfig& config, WeightSource& source,
                               const Windows& windows, const PairOptions& options,
                               Progress& progress);
// The same with the forward pass of a model that is being trained, against the engine on what was
// written of it.
Result<AlignedPairs> align_trained(Model& trained, WeightSource& written, const Windows& windows,
                                   const PairOptions& options, Progress& progress);
// Two models on the same tokens; operator by operator where their sizes are equal.
Result<AlignedPairs> align_models(Context& context, Model& a, Model& b, const Windows& windows,
                                  const PairOptions& options, Progress& progress);
// A model and a file: f32 log p [windows, context - 1] (or as many in one row), or logits or
// log-probabilities of the whole vocabulary [windows, context, vocabulary].
Result<AlignedPairs> align_saved(Context& context, const Model& a,
                                 const std::filesystem::path& file, const Windows& windows,
                                 const PairOptions& options, Progress& progress);

}  // namespace farthing
