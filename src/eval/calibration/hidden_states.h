// What a stage of a model gives for a calibration's tokens, in a file, so that the next stage runs
// without those before it.
#pragma once

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "eval/windows.h"
#include "model/stages/stages.h"

namespace farthing {

// The hidden states that a stage gives, f32 [tokens, hidden], mapped from a file.
class HiddenStates {
 public:
  static Result<HiddenStates> open(const std::filesystem::path& path, int64_t tokens,
                                   int64_t hidden);
  // A copy of the rows [begin, begin + to.rows).
  void copy_rows(Context& context, int64_t begin, View<float, 2> to) const;

 private:
  std::shared_ptr<const MappedFile> file_;
};

// Called before each window, with its number.
using EachWindow = std::function<void(int64_t)>;

// The stage's output for all windows, as a file that is complete or absent. The embedding reads the
// windows, a block `from`. The context's probe may resume the passes.
Result<> write_hidden(Context& context, ModelStage& stage, const Windows& windows,
                      const HiddenStates* from, int64_t hidden, const std::filesystem::path& to,
                      const EachWindow& each);

}  // namespace farthing
