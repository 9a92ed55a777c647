// One window in memory at a time.
#include "quant/stages/stage_inputs.h"

#include <fmt/format.h>

#include <cstring>
#include <map>

#include "base/check.h"

namespace farthing {
namespace {

// Adds what a step's linears get, and leaves them out.
class StepProbe : public Probe {
 public:
  StepProbe(ModelStage& stage, const LinearStep& step, std::vector<InputStatistics>& inputs,
            Context& context)
      : inputs_(inputs), context_(context) {
    std::map<std::string, size_t> group_of;
    for (size_t g = 0; g < step.size(); ++g)
      for (const LinearSpec& spec : step[g]) group_of[spec.name] = g;
    for (const auto& [name, slot] : stage.weights().linears)
      if (const auto found = group_of.find(name); found != group_of.end())
        group_of_[slot] = found->second;
  }
  void see(const OperatorOutput&) override {}
  bool wants(std::span<const LinearWeight* const> weights, View<const float, 2> input) override {
    const auto found = group_of_.find(weights[0]);
    if (found == group_of_.end()) return true;
    Context plain = context_;
    plain.probe = nullptr;
    inputs_[found->second].add(plain, input);
    return false;
  }

 private:
  std::map<const LinearWeight*, size_t> group_of_;
  std::vector<InputStatistics>& inputs_;
  Context& context_;
};

Error not_finite(const LinearGroup& group) {
  return {.what = "a linear's input is not finite while the model reads the calibration text",
          .where = group.front().name,
          .got = "NaN or infinity",
          .wanted = "finite activations",
          .remedy =
              "the checkpoint is damaged, needs more range than f32, or the layers before "
              "were quantized too coarsely"};
}

}  // namespace

Result<HiddenStates> HiddenStates::open(const std::filesystem::path& path, int64_t tokens,
                                        int64_t hidden) {
  HiddenStates out;
  out.file_ = TRY(MappedFile::open(path));
  const auto wanted = static_cast<size_t>(tokens * hidden) * sizeof(float);
  if (out.file_->bytes().size() == wanted) return out;
  return fail({.what = "a file of hidden states has the wrong size",
               .where = path.string(),
               .got = fmt::format("{} bytes", out.file_->bytes().size()),
               .wanted = fmt::format("{} tokens of {} f32", tokens, hidden),
               .remedy = "remove the folder and start again"});
}

void HiddenStates::copy_rows(int64_t begin, View<float, 2> to) const {
  const auto bytes = static_cast<size_t>(to.columns) * sizeof(float);
  for (int64_t r = 0; r < to.rows; ++r)
    std::memcpy(to.row(r), file_->bytes().data() + static_cast<size_t>(begin + r) * bytes, bytes);
}

Result<std::vector<InputStatistics>> see_inputs(Context& context, ModelStage& stage,
                                                const LinearStep& step, bool with_gram,
                                                const Windows& windows, const HiddenStates& from,
                                                int64_t hidden, const EachWindow& each) {
  std::vector<InputStatistics> inputs;
  for (const LinearGroup& group : step) inputs.emplace_back(group.front().k, with_gram);
  StepProbe probe(stage, step, inputs, context);
  Context own = context;
  own.probe = &probe;
  Tensor rows(DType::f32, {windows.context(), hidden});
  for (int64_t w = 0; w < windows.count(); ++w) {
    each(w);
    from.copy_rows(w * windows.context(), rows.view<float>());
    probe.begin();
    stage.run(own, {.tokens = windows[w], .hidden = rows.view<float>()});
  }
  for (size_t g = 0; g < step.size(); ++g) {
    inputs[g].finish();
    if (!inputs[g].extremes.finite) return fail(not_finite(step[g]));
  }
  return inputs;
}

Result<> write_hidden(Context& context, ModelStage& stage, const Windows& windows,
                      const HiddenStates* from, int64_t hidden, const std::filesystem::path& to,
                      const EachWindow& each) {
  auto file = TRY(AtomicFile::create(to));
  Tensor rows(DType::f32, {windows.context(), hidden});
  for (int64_t w = 0; w < windows.count(); ++w) {
    each(w);
    if (from != nullptr) from->copy_rows(w * windows.context(), rows.view<float>());
    stage.run(context, {.tokens = windows[w], .hidden = rows.view<float>()});
    TRY(file.write(std::as_const(rows).span()));
  }
  return file.commit();
}

}  // namespace farthing
