// Comparison: measures one model after the other by the same protocol.
#pragma once

#include <string>

#include "base/progress.h"
#include "eval/evaluate.h"
#include "eval/speed.h"
#include "model/checkpoint.h"
#include "quant/quantize.h"
#include "tensor/context.h"
#include "workflows/compare_report.h"

namespace farthing {

// The work of measuring a scheme, relative to one whose activations stay f32. An estimate, for the
// progress bar: products with 8-bit activations take about half the time.
double work_of(const Scheme& scheme);

// What the rows of one comparison share. baseline() comes first: it spills the logits that the
// candidates are held against. One model is in memory at a time.
class Comparison {
 public:
  // `work` is the baseline's (1) and that of all candidates.
  Comparison(Context& context, Checkpoint& checkpoint, Windows windows, SpilledBaseline spill,
             SpeedOptions speed, Progress& progress, double work);

  // The row of the checkpoint as it is stored; `quantized` says whether its linears are quantized
  // already.
  Result<CompareRow> baseline(bool& quantized);
  // The row of the checkpoint quantized by `plan`; where that fails, the row holds the error.
  CompareRow candidate(const QuantizeOptions& plan);

 private:
  // Loads, times and scores a model; memory and speed go into the row.
  Result<ScoredWindows> measure(WeightSource& source, const std::string& label, double work,
                                const EvaluateOptions& options, CompareRow& row);

  Context& context_;
  Checkpoint& checkpoint_;
  Windows windows_;
  SpilledBaseline spill_;
  SpeedOptions speed_;
  Progress& progress_;
  double work_, done_ = 0;
};

}  // namespace farthing
