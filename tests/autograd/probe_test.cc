// What a probe sees of a forward pass, while it is recorded and while it is not.
#include "autograd/probe.h"

#include <cstring>

#include "base/cpu.h"
#include "model/support/models.h"

namespace farthing {
namespace {

// Keeps the kinds and weights in order, and all rows.
class List : public Probe {
 public:
  void see(const OperatorOutput& output) override {
    kinds.push_back(output.kind);
    weights.push_back(output.weight);
    for (int64_t r = 0; r < output.rows.rows; ++r)
      values.insert(values.end(), output.rows.row(r), output.rows.row(r) + output.rows.columns);
  }
  std::vector<OperatorKind> kinds;
  std::vector<const void*> weights;
  std::vector<float> values;
};

class Forward {
 public:
  Forward() : model_(testing::stories260k(owner_.get(), "int4_g128")) {}
  Model& model() { return *model_; }
  ContextOwner& owner() { return owner_; }

  // Logits of 21 tokens.
  std::vector<float> run(Probe* probe, Tape* tape) {
    const auto tokens = testing::some_tokens(21, 512);
    Context context = owner_.get();
    context.probe = probe;
    context.tape = tape;
    std::vector<float> logits(21 * 512);
    Sequence sequence = model_->new_sequence(21);
    model_->forward(context, sequence, tokens, {logits.data(), 21, 512, 512});
    return logits;
  }

 private:
  ContextOwner owner_{2, choose_isa().value()};
  std::unique_ptr<Model> model_;
};

TEST(Probe, SeesEveryOperatorInTheOrderOfExecution) {
  using enum OperatorKind;
  Forward forward;
  List list;
  forward.run(&list, nullptr);
  std::vector<OperatorKind> wanted{embedding};
  for (int64_t layer = 0; layer < forward.model().config().layers; ++layer)
    for (const OperatorKind kind : {rms_norm, linear, linear, linear, rope, rope, attention, linear,
                                    add, rms_norm, linear, linear, swiglu, linear, add})
      wanted.push_back(kind);
  for (const OperatorKind kind : {select_rows, rms_norm, linear}) wanted.push_back(kind);
  EXPECT_EQ(list.kinds, wanted);
}

TEST(Probe, IsToldTheWeightOfEachOperatorThatHasOne) {
  Forward forward;
  List list;
  forward.run(&list, nullptr);
  const WeightSlots slots = forward.model().weights();
  std::vector<const void*> linears, norms;
  for (size_t i = 0; i < list.kinds.size(); ++i) {
    if (list.kinds[i] == OperatorKind::linear) linears.push_back(list.weights[i]);
    if (list.kinds[i] == OperatorKind::rms_norm) norms.push_back(list.weights[i]);
  }
  ASSERT_EQ(linears.size(), slots.linears.size());
  for (size_t i = 0; i < linears.size(); ++i) EXPECT_EQ(linears[i], slots.linears[i].second);
  ASSERT_EQ(norms.size(), slots.vectors.size());
  for (size_t i = 0; i < norms.size(); ++i) EXPECT_EQ(norms[i], slots.vectors[i].second);
  EXPECT_EQ(list.weights.front(), slots.tables.front().second);
}

TEST(Probe, SeesTheSameOutputsWhileATapeRecordsWithCheckpointsAndWithout) {
  Forward forward;
  List serving;
  forward.run(&serving, nullptr);
  for (const bool checkpointing : {false, true}) {
    const Workspace::Mark mark(forward.owner().get().workspace);
    Tape tape(checkpointing);
    List recording;
    forward.run(&recording, &tape);
    EXPECT_EQ(recording.kinds, serving.kinds);
    ASSERT_EQ(recording.values.size(), serving.values.size());
    EXPECT_EQ(std::memcmp(recording.values.data(), serving.values.data(),
                          serving.values.size() * sizeof(float)),
              0);
  }
}

TEST(Probe, ChangesNoBit) {
  Forward forward;
  List list;
  const auto with = forward.run(&list, nullptr), without = forward.run(nullptr, nullptr);
  EXPECT_EQ(std::memcmp(with.data(), without.data(), with.size() * sizeof(float)), 0);
}

TEST(Probe, SeesNothingOfTheBackwardPass) {
  ContextOwner owner(1, choose_isa().value());
  Context& context = owner.get();
  List list;
  context.probe = &list;
  Tape tape;
  bool probed = true;
  tape.record([&](Context& c) { probed = c.probe != nullptr; });
  tape.run_backward(context);
  EXPECT_FALSE(probed);
  EXPECT_EQ(context.probe, &list);
}

}  // namespace
}  // namespace farthing
