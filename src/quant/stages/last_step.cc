// Rows one behind the other.
#include "quant/stages/last_step.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace farthing {

Result<std::optional<LastStepInputs>> LastStepInputs::create(const ModelConfig& config,
                                                             int64_t stage,
                                                             const std::filesystem::path& folder) {
  const StagePlace place = place_of_stage(config, stage);
  if (place.attention == place.mlp) return std::nullopt;
  return LastStepInputs(TRY(ScratchFile::create(folder)));
}

// One after the other: a file takes one write at a time.
void LastStepInputs::keep(View<const float, 2> rows) {
  CHECK(rows.stride == rows.columns);
  const auto all =
      std::as_bytes(std::span(rows.data, static_cast<size_t>(rows.rows * rows.columns)));
  if (state_) state_ = file_.write(at_, all);
  at_ += all.size();
}

bool LastStepInputs::holds(int64_t windows) const {
  return state_ && static_cast<int64_t>(windows_.size()) == windows;
}

void LastStepInputs::copy_next(Context& context, View<float, 2> to) {
  CHECK(to.stride == to.columns);
  std::vector<Result<>> states(static_cast<size_t>(context.pool.size()));
  context.pool.run([&](Part part) {
    const auto rows = part.range(to.rows);
    const uint64_t bytes = static_cast<uint64_t>(to.columns) * sizeof(float);
    states[static_cast<size_t>(part.index)] =
        file_.read(at_ + static_cast<uint64_t>(rows.begin) * bytes,
                   std::as_writable_bytes(std::span(to.row(rows.begin), to.row(rows.end))));
  });
  at_ += static_cast<uint64_t>(to.rows * to.columns) * sizeof(float);
  for (const Result<>& state : states)
    if (state_ && !state) state_ = state;
}

ResumingProbe::ResumingProbe(Context& context, ModelStage& stage,
                             const std::vector<LinearStep>& steps, LastStepInputs& from)
    : context_(context), from_(from) {
  const auto names_of = [](const LinearStep& step) {
    std::set<std::string> out;
    for (const LinearGroup& group : step)
      for (const LinearSpec& spec : group.linears) out.insert(spec.name);
    return out;
  };
  const std::set<std::string> last = names_of(steps.back());
  for (const auto& [name, slot] : stage.weights().linears) {
    if (last.contains(name)) {
      last_.push_back(slot);
      continue;
    }
    const bool in_a_step = std::any_of(steps.begin(), steps.end(), [&](const LinearStep& step) {
      return names_of(step).contains(name);
    });
    if (in_a_step) earlier_.push_back(slot);  // others are routers
  }
  std::sort(earlier_.begin(), earlier_.end());
  std::sort(last_.begin(), last_.end());
}

PassStep ResumingProbe::before_linears(std::span<const LinearWeight* const> weights,
                                       View<float, 2> input) {
  if (std::binary_search(earlier_.begin(), earlier_.end(), weights[0])) return PassStep::leave_out;
  if (std::binary_search(last_.begin(), last_.end(), weights[0])) from_.copy_next(context_, input);
  return PassStep::run;
}

Result<> write_output(Context& context, ModelStage& stage, const std::vector<LinearStep>& steps,
                      LastStepInputs* kept, const Windows& windows, const HiddenStates& from,
                      int64_t hidden, const std::filesystem::path& to, const EachWindow& each) {
  if (kept == nullptr || !kept->holds(windows.count()))
    return write_hidden(context, stage, windows, &from, hidden, to, each);
  ResumingProbe probe(context, stage, steps, *kept);
  Context own = context;
  own.probe = &probe;
  TRY(write_hidden(own, stage, windows, &from, hidden, to, [&](int64_t window) {
    each(window);
    kept->go_to_window(window);
  }));
  return kept->state();
}

}  // namespace farthing
