// Alignment: whether training and serving, or two models, compute the same log-probabilities, and
// which operator is the first to differ.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"
#include "tensor/context.h"
#include "workflows/align/report.h"

namespace farthing {

struct AlignOptions {
  std::filesystem::path model;
  std::string against;  // a model, or a .npy file; empty: the model itself, recorded and served
  std::optional<std::filesystem::path> text;  // absent: the built-in excerpt of WikiText-2
  WindowOptions windows{.tokens = 1024, .context = 128};
  std::optional<KvCodec> kv_cache = {};  // absent: as each model says
  double clip = 0.2, bound = 0;
  // A file (its name ends in .html), or a folder for report.html and report.json.
  std::optional<std::filesystem::path> report;
};

// Runs the pairs and writes the report's files, also where the difference is beyond the bound.
Result<AlignReport> align(Context& context, const AlignOptions& options, Progress& progress);

}  // namespace farthing
