// Comparing formats: quantizes a model to each and measures quality, size and speed against the
// unquantized one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/windows.h"
#include "formats/format.h"
#include "quant/quantize.h"
#include "tensor/context.h"
#include "workflows/compare/compare_report.h"

namespace farthing {

struct CompareOptions {
  std::filesystem::path model;
  std::vector<std::string> formats;  // schemes; empty: default_schemes()
  // Of parse_method, or "auto": for each scheme the one that costs least on a part of the
  // calibration's text that no method sees.
  std::vector<std::string> methods = {"rtn"};
  std::optional<ScaleRule> scale_rule;  // each format's default where it is absent
  std::optional<std::string> tables;    // the scheme of embedding and head; absent: as they are
  float outlier_threshold = RangeOptions().outlier_threshold;  // of schemes with outlier columns
  std::optional<std::filesystem::path> text;  // absent: the built-in excerpt of WikiText-2
  CalibrationOptions calibration = StagesOptions().calibration;  // of methods that see inputs
  WindowOptions windows;
  SpeedOptions speed;                           // its KV cache is that of the scored text too
  double kl_bound = 0.05;                       // what the recommendation calls a small loss, nats
  std::optional<std::filesystem::path> output;  // folder for report.html and report.json
  std::vector<std::string> notes;
};

// A selection of the registry, and its integer formats with 8-bit activations too.
std::vector<std::string> default_schemes();
// What a list of schemes stands for: "all" is every format but f32, "all@ACTIVATIONS" every one
// with them; nothing is the default schemes. Fails on what is no scheme.
Result<std::vector<Scheme>> schemes_of_list(const std::vector<std::string>& list);

// Runs the comparison and writes the report's files. One model is in memory at a time; the
// baseline's logits wait in an unnamed temporary file in the output folder (without one, in the
// system's folder for such). A scheme that fails gets a row with its error; if all fail, the first
// error is returned. On failure no file is left.
Result<CompareReport> compare(Context& context, const CompareOptions& options, Progress& progress);

}  // namespace farthing
