// Comparison: measures one model after the other by the same protocol.
#pragma once

#include <string>

#include "base/progress.h"
#include "eval/evaluate.h"
#include "eval/speed.h"
#include "model/checkpoint.h"
#include "quant/quantize.h"
#include "tensor/context.h"
#include "workflows/compare/compare_report.h"

namespace farthing {

// The work of measuring a plan on `tokens` tokens, relative to a scheme whose activations stay f32.
// An estimate, for the progress bar: products with 8-bit activations take about half the time, and
// quantizing with a calibration about three passes over its tokens.
struct Work {
  double quantizing, measuring;
};
Work work_of(const QuantizeOptions& plan, const CalibrationOptions& calibration, int64_t tokens);

// What the rows of one comparison share. baseline() comes first: it spills the logits that the
// candidates are held against. One model is in memory at a time.
class Comparison {
 public:
  // `work` is the baseline's (1) and that of all candidates. With speed.runs = 0 no speed is
  // measured. Methods that see inputs keep what they
  // have done in a folder of `scratch` until the candidate is measured.
  Comparison(Context& context, Checkpoint& checkpoint, Windows windows, SpilledBaseline spill,
             SpeedOptions speed, CalibrationOptions calibration, std::filesystem::path scratch,
             Progress& progress, double work);

  // The row of the checkpoint as it is stored; `quantized` says whether its linears are quantized
  // already.
  Result<CompareRow> baseline(bool& quantized);
  // The row of the checkpoint quantized by `plan`; where that fails, the row holds the error.
  CompareRow candidate(const QuantizeOptions& plan);

 private:
  // Loads, times and scores a model; memory and speed go into the row.
  Result<ScoredWindows> measure(WeightSource& source, const std::string& label, double work,
                                const EvaluateOptions& options, CompareRow& row);

  Result<> measure_candidate(const QuantizeOptions& plan, CompareRow& row);

  Context& context_;
  Checkpoint& checkpoint_;
  Windows windows_;
  SpilledBaseline spill_;
  SpeedOptions speed_;
  CalibrationOptions calibration_;
  std::filesystem::path scratch_;
  Progress& progress_;
  double work_, done_ = 0;
};

}  // namespace farthing
