// Calibration: what a model's linears get as input while it reads a text, for the parameters of
// static activation formats.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/progress.h"
#include "eval/calibration/input_range.h"
#include "eval/windows.h"
#include "model/checkpoint.h"

namespace farthing {

struct CalibrationOptions {
  std::optional<std::filesystem::path> text = {};  // absent: articles of WikiText-2, built in
  int64_t samples = 8;                             // windows, from the text's begin
  int64_t context = 512;    // tokens of a window; the model's context if less
  RangeOptions range = {};  // of static activations
  // A folder on whose file system hidden states go; empty: the system's for temporary files.
  std::filesystem::path scratch = {};
};

// What a calibration reads.
struct CalibrationWindows {
  EvaluationText text;  // its name and digest; a long text is not kept
  Windows windows;
};
Result<CalibrationWindows> calibration_windows(const Checkpoint& from,
                                               const CalibrationOptions& options);

struct Calibration {
  std::string text, text_digest;  // as in EvaluationText
  int64_t tokens = 0;             // that were read
  RangeOptions range = {};
  std::map<std::string, SeenInput> inputs;  // by the linear's name; a tied head: the embedding's

  // Of a linear in a static format. Fails where the linear was not seen.
  Result<StaticInput> input_of(const std::string& linear, Activations activations) const;
};

// Runs the checkpoint's weights, with inputs that are not rounded, over the text. In memory at a
// time: one stage, one window; hidden states lie on disk. The same extremes as of the whole model's
// passes, for any number of threads and any instruction set. Fails where an input is not finite.
Result<std::shared_ptr<const Calibration>> calibrate(Context& context, Checkpoint& from,
                                                     const CalibrationOptions& options,
                                                     Progress& progress);
// The same over windows that were read before.
Result<std::shared_ptr<const Calibration>> calibrate(Context& context, Checkpoint& from,
                                                     const CalibrationWindows& read,
                                                     const CalibrationOptions& options,
                                                     Progress& progress);

// Whether so few of a calibration's tokens reached a linear of k inputs, an expert's, that it
// should be sent all of them: no Gram matrix of so many rows has full rank.
inline bool reached_by_few(int64_t rows, int64_t k, int64_t tokens) {
  return rows < std::min(k, tokens);
}

// The scheme of a table. An embedding that is no head has no input, so nothing rounds it.
Scheme scheme_of_table(const Scheme& scheme, const std::string& name,
                       const Calibration* calibration);

}  // namespace farthing
