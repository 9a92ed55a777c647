// What a method that sees inputs made of a model, in a folder that goes with this object.
#pragma once

#include <optional>

#include "base/file.h"
#include "quant/stages/quantize_stages.h"

namespace farthing {

class ScratchStages {
 public:
  // Nothing is done where the options' methods see no inputs. `scratch`: a folder for the folder.
  static Result<ScratchStages> run(Context& context, Checkpoint& from,
                                   const QuantizeOptions& options,
                                   const CalibrationOptions& calibration,
                                   const std::filesystem::path& scratch, Progress& progress) {
    ScratchStages out;
    if (!needs_inputs(options)) return out;
    out.folder_.emplace(TRY(
        AtomicDirectory::create(scratch / ("farthing-stages-" + name_of(options)), "work.json")));
    out.run_ = TRY(quantize_stages(context, from, from, options, calibration, out.folder_->path(),
                                   false, progress));
    return out;
  }
  // Its linears are mapped from the folder.
  const StagesRun& result() const { return run_; }

 private:
  static std::string name_of(const QuantizeOptions& options) {
    std::string out = options.scheme.name();
    for (char& c : out) c = c == '@' ? '-' : c;
    return out;
  }
  std::optional<AtomicDirectory> folder_;  // never committed
  StagesRun run_;
};

}  // namespace farthing
