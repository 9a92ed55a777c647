// One window in memory at a time.
#include "quant/stages/stage_inputs.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "base/rehearsal.h"
#include "eval/calibration/calibration.h"

namespace farthing {
namespace {

// Attention's backward pass gives each element of a value's gradient as the sum of the weights with
// which the value is read times gradients of the output; where these are +1 or -1 by chance, its
// square is the sum of the weights' squares on average.
class ReadingProbe : public Probe {
 public:
  explicit ReadingProbe(Context& context) : context_(context) {}
  void see(const OperatorOutput&) override {}
  PassStep before_linears(std::span<const LinearWeight* const>, View<float, 2>) override {
    return ended() ? PassStep::end : PassStep::run;
  }
  PassStep before_attention(const AttentionPass& pass) override {
    const Workspace::Mark mark(context_.workspace);
    const int64_t rows = pass.q.rows;
    const View<const float, 2> signs = signs_of(rows, pass.q.columns);
    const auto values = context_.workspace.take_rows<float>(rows, pass.kv_columns);
    std::fill_n(values.data, rows * pass.kv_columns, 0.0f);
    Context plain = context_;
    plain.probe = nullptr;
    constexpr View<float, 2> none{nullptr, 0, 0, 0};
    ops::attention_backward(plain, pass.q, pass.sequences, pass.layer, pass.options, signs,
                            {none, none, values});
    weights_.clear();
    for (int64_t r = 0; r < rows; ++r) {
      float squares = 0;
      for (int64_t i = 0; i < pass.kv_columns; ++i) squares += values.row(r)[i] * values.row(r)[i];
      weights_.push_back(squares / static_cast<float>(pass.kv_columns));
    }
    return PassStep::end;
  }
  const std::vector<float>& weights() const { return weights_; }

 private:
  // The same for every window.
  View<const float, 2> signs_of(int64_t rows, int64_t columns) {
    if (!signs_ || signs_.shape() != Shape{rows, columns}) {
      signs_ = Tensor(DType::f32, {rows, columns});
      float* const signs = signs_.as<float>();
      context_.pool.run([&](Part part) {
        const auto range = part.range(rows * columns);
        for (int64_t i = range.begin; i < range.end; ++i)
          signs[i] = (random_bits(1, 1, static_cast<uint64_t>(i)) & 1) != 0 ? 1.0f : -1.0f;
      });
    }
    return std::as_const(signs_).view<float>();
  }

  Context& context_;
  Tensor signs_;
  std::vector<float> weights_;
};

// Adds what a step's linears get, and leaves them out.
class StepProbe : public Probe {
 public:
  StepProbe(ModelStage& stage, const LinearStep& step, std::vector<InputStatistics>& inputs,
            Context& context, const SeeOptions& what)
      : step_(step), inputs_(inputs), context_(context), end_(what.end), keep_(what.keep) {
    std::map<std::string, size_t> group_of;
    for (size_t g = 0; g < step.size(); ++g)
      for (const LinearSpec& spec : step[g].linears) group_of[spec.name] = g;
    for (const auto& [name, slot] : stage.weights().linears)
      if (const auto found = group_of.find(name); found != group_of.end())
        group_of_[slot] = found->second;
  }
  // `reading`: of the window's tokens, for values; empty where the step has none.
  void begin_window(std::span<const float> reading) {
    begin();
    reading_ = reading;
    if (keep_ != nullptr) keep_->begin_window();
  }
  void see(const OperatorOutput&) override {}
  PassStep before_linears(std::span<const LinearWeight* const> weights,
                          View<float, 2> input) override {
    std::set<size_t> groups;
    for (const LinearWeight* weight : weights)
      if (const auto found = group_of_.find(weight); found != group_of_.end())
        groups.insert(found->second);
    Context plain = context_;
    plain.probe = nullptr;
    for (const size_t g : groups)
      if (few_.empty() || few_.contains(g))
        inputs_[g].add(plain, input, step_[g].values ? reading_.data() : nullptr);
    if (groups.empty() || end_ == PassEnd::block) return PassStep::run;
    if (keep_ != nullptr) keep_->keep(input);
    return PassStep::end;
  }
  bool sends_every_row(std::span<const LinearWeight* const> expert) override {
    return std::any_of(expert.begin(), expert.end(), [&](const LinearWeight* weight) {
      const auto found = group_of_.find(weight);
      return found != group_of_.end() && few_.contains(found->second);
    });
  }
  // From now on only these groups count, and see every token.
  void see_every_token(std::set<size_t> groups) {
    few_ = std::move(groups);
    keep_ = nullptr;
  }

 private:
  const LinearStep& step_;
  std::map<const LinearWeight*, size_t> group_of_;
  std::vector<InputStatistics>& inputs_;
  Context& context_;
  PassEnd end_;
  LastStepInputs* keep_;
  std::span<const float> reading_;
  std::set<size_t> few_;  // empty: all groups count
};

// Experts' groups that are to be sent every token.
std::set<size_t> groups_of_few(const std::vector<InputStatistics>& inputs, int64_t tokens) {
  std::set<size_t> out;
  for (size_t g = 0; g < inputs.size(); ++g)
    if (reached_by_few(inputs[g].tokens, inputs[g].k(), tokens)) out.insert(g);
  return out;
}

Error not_finite(const LinearGroup& group) {
  return {.what = "a linear's input is not finite while the model reads the calibration text",
          .where = group.linears.front().name,
          .got = "NaN or infinity",
          .wanted = "finite activations",
          .remedy =
              "the checkpoint is damaged, needs more range than f32, or the layers before "
              "were quantized too coarsely"};
}

}  // namespace

namespace {

const std::vector<float>& read_with(ReadingProbe& probe, Context& context, ModelStage& stage,
                                    const StageRows& rows) {
  Context own = context;
  own.probe = &probe;
  probe.begin();
  stage.run(own, rows);
  return probe.weights();
}

}  // namespace

std::vector<float> reading_weights(Context& context, ModelStage& stage, const StageRows& rows) {
  ReadingProbe probe(context);
  return read_with(probe, context, stage, rows);
}

Result<std::vector<InputStatistics>> see_inputs(Context& context, ModelStage& stage,
                                                const LinearStep& step, SeeOptions what,
                                                const Windows& windows, const HiddenStates& from,
                                                int64_t hidden, const EachWindow& each) {
  std::vector<InputStatistics> inputs;
  bool has_values = false;
  for (const LinearGroup& group : step) {
    inputs.emplace_back(group.linears.front().k, what.gram);
    inputs.back().with_histogram = what.histogram;
    has_values = has_values || group.values;
  }
  StepProbe probe(stage, step, inputs, context, what);
  ReadingProbe reading_probe(context);
  std::span<const float> reading;
  Context own = context;
  own.probe = &probe;
  Tensor rows(DType::f32, {windows.context(), hidden});
  const auto read_text = [&] {
    for (int64_t w = 0; w < windows.count(); ++w) {
      each(w);
      if (has_values) {
        from.copy_rows(context, w * windows.context(), rows.view<float>());
        reading = read_with(reading_probe, context, stage,
                            {.tokens = windows[w], .hidden = rows.view<float>()});
      }
      from.copy_rows(context, w * windows.context(), rows.view<float>());
      probe.begin_window(reading);
      stage.run(own, {.tokens = windows[w], .hidden = rows.view<float>()});
    }
  };
  read_text();
  if (what.keep != nullptr) TRY(what.keep->state());
  for (InputStatistics& input : inputs) input.routed_tokens = input.tokens;
  if (auto few = groups_of_few(inputs, windows.count() * windows.context()); !few.empty()) {
    for (const size_t g : few) {
      const int64_t routed = inputs[g].tokens;
      inputs[g] = InputStatistics(inputs[g].k(), what.gram);
      inputs[g].with_histogram = what.histogram;
      inputs[g].routed_tokens = routed;
    }
    probe.see_every_token(std::move(few));
    read_text();
  }
  for (size_t g = 0; g < step.size(); ++g) {
    inputs[g].finish();
    if (!inputs[g].seen.finite && !rehearsing()) return fail(not_finite(step[g]));
  }
  return inputs;
}

}  // namespace farthing
