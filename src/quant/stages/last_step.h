// What a stage's last step gets as input, kept on disk while it is seen, so that the pass that
// gives the stage's output begins there: of what lies before only norms and routers run again.
#pragma once

#include <optional>
#include <vector>

#include "autograd/probe.h"
#include "base/scratch_file.h"
#include "eval/calibration/hidden_states.h"
#include "model/stages/steps.h"

namespace farthing {

class LastStepInputs {
 public:
  // Of a stage whose output depends on the linears before its last step by that step's inputs
  // alone: of an attention or of an mlp. None of a block that runs both at once.
  static Result<std::optional<LastStepInputs>> create(const ModelConfig& config, int64_t stage,
                                                      const std::filesystem::path& folder);

  // Each window's rows, in the order in which the stage's linears get them. Failures stay until
  // they are asked for.
  void begin_window() { windows_.push_back(at_); }
  void keep(View<const float, 2> rows);
  const Result<>& state() const { return state_; }

  // Whether so many windows were kept.
  bool holds(int64_t windows) const;
  void go_to_window(int64_t window) { at_ = windows_[static_cast<size_t>(window)]; }
  void copy_next(Context& context, View<float, 2> to);

 private:
  explicit LastStepInputs(ScratchFile file) : file_(std::move(file)) {}
  ScratchFile file_;
  std::vector<uint64_t> windows_;  // where each begins
  uint64_t at_ = 0;                // in the file
  Result<> state_;
};

// Runs a stage's last step on what was kept.
class ResumingProbe : public Probe {
 public:
  ResumingProbe(Context& context, ModelStage& stage, const std::vector<LinearStep>& steps,
                LastStepInputs& from);
  void see(const OperatorOutput&) override {}
  PassStep before_linears(std::span<const LinearWeight* const> weights,
                          View<float, 2> input) override;
  PassStep before_attention(const AttentionPass&) override { return PassStep::leave_out; }

 private:
  std::vector<const LinearWeight*> earlier_, last_;  // sorted
  Context& context_;
  LastStepInputs& from_;
};

// The stage's output for all windows (write_hidden), from what was kept where all windows were.
// After a failure the file may be there.
Result<> write_output(Context& context, ModelStage& stage, const std::vector<LinearStep>& steps,
                      LastStepInputs* kept, const Windows& windows, const HiddenStates& from,
                      int64_t hidden, const std::filesystem::path& to, const EachWindow& each);

}  // namespace farthing
