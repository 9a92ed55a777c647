// What a comparison is to quantize, and by which method.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "workflows/compare/compare.h"

namespace farthing {

// A row to come.
struct ComparePlan {
  QuantizeOptions quantize;
  bool automatic = false;                // its method is to be chosen
  std::vector<MethodTrial> trials = {};  // that it was chosen by
};

// What to quantize to, checked before anything runs.
Result<std::vector<ComparePlan>> plan_rows(const CompareOptions& options);

// Chooses the methods that the user left open, and adds a note on each; `judged` is the digest of
// the text that they will be judged on.
Result<> choose_open_methods(Context& context, Checkpoint& checkpoint,
                             std::vector<ComparePlan>& plans, const CompareOptions& options,
                             const std::string& judged, const std::filesystem::path& scratch,
                             Progress& progress, std::vector<std::string>& notes);

}  // namespace farthing
