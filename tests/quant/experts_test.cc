// Experts that few tokens of a calibration reach are fitted to every token of it.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/support/scratch_folder.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "quant/stages/stage_inputs.h"

namespace farthing {
namespace {

// A family's first stage with experts, and what it reads.
class FewTokens : public ::testing::TestWithParam<std::string> {
 protected:
  void read(int64_t windows, int64_t context) {
    from_ = Checkpoint::open(testing::family_path(GetParam())).value();
    const ModelConfig& config = from_->config();
    const int64_t tokens = windows * context;
    windows_.emplace(
        Windows::cut(testing::some_tokens(static_cast<size_t>(tokens), config.vocabulary_size),
                     {.tokens = tokens, .context = context}, "test")
            .value());
    const auto path = folder_ / "hidden";
    auto stage = build_stage(owner_.get(), config, 0, *from_).value();
    ASSERT_TRUE(write_hidden(owner_.get(), *stage, *windows_, nullptr, config.hidden_size, path,
                             [](int64_t) {}));
    hidden_ = HiddenStates::open(path, tokens, config.hidden_size).value();
    for (index_ = 1; place_of_stage(config, index_).block->experts.experts.empty() ||
                     !place_of_stage(config, index_).mlp;)
      ++index_;
    stage_ = build_stage(owner_.get(), config, index_, *from_).value();
  }
  std::vector<InputStatistics> see(const LinearStep& step) {
    return see_inputs(owner_.get(), *stage_, step, {.gram = true}, *windows_, hidden_,
                      from_->config().hidden_size, [](int64_t) {})
        .value();
  }
  std::vector<LinearStep> steps() const { return steps_of_stage(from_->config(), index_); }

  ContextOwner owner_{2, supported_isas().back()};
  ScratchFolder folder_;
  std::unique_ptr<Checkpoint> from_;
  std::optional<Windows> windows_;
  HiddenStates hidden_;
  int64_t index_ = 0;
  std::unique_ptr<ModelStage> stage_;
};

// Enough tokens for some experts; the report says what the router sent to each.
TEST_P(FewTokens, ThoseWithFewerTokensThanInputsSeeAll) {
  read(5, 16);
  bool some_few = false;
  for (const LinearStep& step : steps()) {
    const auto inputs = see(step);
    for (size_t g = 0; g < step.size(); ++g) {
      const bool few = inputs[g].routed_tokens < std::min<int64_t>(80, inputs[g].k());
      some_few = some_few || few;
      EXPECT_EQ(inputs[g].tokens, few ? 80 : inputs[g].routed_tokens) << step[g].linears[0].name;
    }
  }
  EXPECT_TRUE(some_few);
}

// Each token goes to as many experts as the model says, and to those that all share.
TEST_P(FewTokens, RoutedTokensAreThoseOfTheModel) {
  read(1, 16);
  const ExpertsPlan& plan = place_of_stage(from_->config(), index_).block->experts;
  const int64_t shared = plan.shared.inputs.empty() ? 0 : 1;
  for (const LinearStep& step : steps()) {
    if (step.size() < plan.experts.size()) continue;  // attention's, where the block is one stage
    int64_t routed = 0;
    for (const InputStatistics& input : see(step)) routed += input.routed_tokens;
    EXPECT_EQ(routed, 16 * (plan.routing.chosen + shared)) << step[0].linears[0].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Experts, FewTokens,
                         ::testing::Values("mixtral", "qwen3_moe", "gpt_oss", "deepseek_v3"),
                         [](const auto& info) { return info.param; });

// What an expert computes of tokens that were not sent to it.
class Mixtral : public FewTokens {};

TEST_P(Mixtral, DownGetsWhatTheExpertMakesOfEveryToken) {
  read(1, 16);
  const auto all = steps();
  ASSERT_EQ(all.size(), 2u);
  const auto inner = see(all[1]);
  // The block's input is read behind its norm, as the router is.
  const int64_t k = from_->config().hidden_size;
  Tensor rows(DType::f32, {16, k}), normed(DType::f32, {16, k});
  class Normed : public Probe {
   public:
    explicit Normed(View<float, 2> to) : to_(to) {}
    void see(const OperatorOutput& output) override {
      if (output.kind != OperatorKind::rms_norm) return;
      for (int64_t r = 0; r < to_.rows; ++r)
        std::copy_n(output.rows.row(r), to_.columns, to_.row(r));
    }

   private:
    View<float, 2> to_;
  } probe(normed.view<float>());
  hidden_.copy_rows(owner_.get(), 0, rows.view<float>());
  Context own = owner_.get();
  own.probe = &probe;
  stage_->run(own, {.tokens = (*windows_)[0], .hidden = rows.view<float>()});
  const auto x = normed.view<float>();
  for (size_t e = 0; e < all[0].size(); ++e) {
    if (inner[e].routed_tokens == 16) continue;
    const LinearSpec &gate_spec = all[0][e].linears[0], &up_spec = all[0][e].linears[1];
    const Tensor gate = from_->linear(gate_spec)->weight.decode(),
                 up = from_->linear(up_spec)->weight.decode();
    for (int64_t n = 0; n < gate_spec.n; ++n) {
      double squares = 0;
      for (int64_t t = 0; t < 16; ++t) {
        double a = 0, b = 0;
        for (int64_t i = 0; i < k; ++i) {
          a += double{x.row(t)[i]} * double{gate.view<float>().row(n)[i]};
          b += double{x.row(t)[i]} * double{up.view<float>().row(n)[i]};
        }
        const double h = a / (1 + std::exp(-a)) * b;
        squares += h * h;
      }
      // Chains of 32 f32 products are off by 32 x 2^-24 of their magnitudes' sum, 2e-6, and values
      // are a tenth of that sum and more.
      EXPECT_NEAR(inner[e].square_sums[static_cast<size_t>(n)], squares, 1e-4 * squares + 1e-12)
          << e << " " << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Experts, Mixtral, ::testing::Values("mixtral"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
