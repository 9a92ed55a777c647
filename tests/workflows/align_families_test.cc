// Alignment of every family, mixtures of experts among them: their experts see some rows alone.
#include <gtest/gtest.h>

#include "base/cpu.h"
#include "model/checkpoint.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "workflows/align/pairs.h"

namespace farthing {
namespace {

using testing::families;
using testing::family_path;

class AlignFamilies : public ::testing::TestWithParam<std::string> {
 protected:
  Windows windows() const {
    return Windows::cut(testing::some_tokens(36, checkpoint_->config().vocabulary_size),
                        {.tokens = 36, .context = 12}, "test")
        .value();
  }
  NoProgress progress_;
  std::unique_ptr<Checkpoint> checkpoint_ = Checkpoint::open(family_path(GetParam())).value();
};

TEST_P(AlignFamilies, RecordingAndServingAgreeInEveryOperator) {
  const Windows text = windows();
  PairOptions options;
  options.threads = 2;
  const auto m = align_own(checkpoint_->config(), *checkpoint_, text, options, progress_);
  ASSERT_TRUE(m.has_value()) << m.error().text();
  EXPECT_TRUE(m->equal());
  for (const Alignment& a : m->pairs) {
    if (a.name.starts_with("padded")) continue;  // its second half may reach other experts
    ASSERT_EQ(a.operators.size(), m->operators.size());
    for (size_t i = 0; i < a.operators.size(); ++i)
      EXPECT_GT(a.operators[i].rows, 0) << a.name << ": " << m->operators[i].text();
  }
}

INSTANTIATE_TEST_SUITE_P(Families, AlignFamilies, ::testing::ValuesIn(families()),
                         [](const auto& info) { return info.param; });

class AlignExperts : public ::testing::Test {
 protected:
  // The mixture with one linear's first weight moved.
  class Moved : public WeightSource {
   public:
    Moved(WeightSource& from, std::string name) : from_(from), name_(std::move(name)) {}
    Result<StoredLinear> linear(const LinearSpec& spec) override {
      StoredLinear stored = TRY(from_.linear(spec));
      if (spec.name != name_) return stored;
      Tensor values = stored.weight.decode();
      values.as<float>()[0] += 1;
      QuantizedTensor out = QuantizedTensor::allocate(*find_format("f32"), spec.n, spec.k);
      std::memcpy(out.planes.front().data(), values.data(), static_cast<size_t>(values.bytes()));
      return StoredLinear{std::move(out), stored.activations};
    }
    Result<StoredLinear> table(const LinearSpec& spec) override { return from_.table(spec); }
    Result<Tensor> vector(const VectorSpec& spec) override { return from_.vector(spec); }

   private:
    WeightSource& from_;
    std::string name_;
  };

  AlignedPairs compare(const std::string& moved, const ModelConfig& config) {
    Moved source(*checkpoint_, moved);
    const auto a =
        build_model(owner_.get(), checkpoint_->config(), *checkpoint_, progress_).value();
    const auto b = build_model(owner_.get(), config, source, progress_).value();
    const Windows windows = Windows::cut(testing::some_tokens(36, config.vocabulary_size),
                                         {.tokens = 36, .context = 12}, "test")
                                .value();
    return align_models(owner_.get(), *a, *b, windows, {}, progress_).value();
  }

  NoProgress progress_;
  ContextOwner owner_{2, choose_isa().value()};
  std::unique_ptr<Checkpoint> checkpoint_ = Checkpoint::open(family_path("mixtral")).value();
};

TEST_F(AlignExperts, AChangedExpertIsTheFirstToDifferOnTheRowsThatReachItAlone) {
  const std::string name = "model.layers.1.block_sparse_moe.experts.2.w1.weight";
  const AlignedPairs m = compare(name, checkpoint_->config());
  const auto first = static_cast<size_t>(m.pairs[0].first_operator());
  ASSERT_LT(first, m.operators.size());
  EXPECT_EQ(m.operators[first].text(), "linear " + name);
  const OperatorDifference& d = m.pairs[0].operators[first];
  EXPECT_EQ(d.rows_differ, d.rows);
  EXPECT_LT(d.rows, 36);
  EXPECT_GT(d.rows, 0);
}

TEST_F(AlignExperts, AnotherNumberOfExpertsForATokenIsSaid) {
  ModelConfig config = checkpoint_->config();
  for (BlockPlan& block : config.plan.blocks) block.experts.routing.chosen = 1;
  EXPECT_EQ(compare("", config).operators_note,
            "The models' operators were not compared: their experts of a token differ (2 and 1).");
}

TEST_F(AlignExperts, WhatRunsBeforeAnExpertsFirstWeightIsNamedByTheRouterAndTheExpert) {
  const AlignedPairs m = compare("", checkpoint_->config());
  EXPECT_TRUE(m.equal());
  int named = 0;
  for (const OperatorInfo& info : m.operators)
    named +=
        info.text() == "select_rows after model.layers.0.block_sparse_moe.gate.weight, expert 1";
  EXPECT_EQ(named, 1);
}

}  // namespace
}  // namespace farthing
