// Facts about calibration: whose inputs it sees, that neither threads nor the instruction set
// change it, and how it fails.
#include "eval/calibration/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/support/scratch_folder.h"
#include "formats/small_floats/small_float.h"
#include "model/support/families.h"
#include "model/support/models.h"

namespace farthing {
namespace {

std::unique_ptr<Checkpoint> stories() {
  return Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
}

std::shared_ptr<const Calibration> calibrated(int threads, Isa isa, CalibrationOptions options) {
  ContextOwner owner(threads, isa);
  NoProgress progress;
  const auto checkpoint = stories();
  return calibrate(owner.get(), *checkpoint, options, progress).value();
}

TEST(Calibration, SeesEveryLinearAndTheTiedHead) {
  const auto seen = calibrated(1, supported_isas().back(), {.samples = 1, .context = 64});
  const auto checkpoint = stories();
  const TensorSpecs specs = tensors_of(checkpoint->config());
  EXPECT_EQ(seen->inputs.size(), specs.linears.size() + 1);
  for (const LinearSpec& spec : specs.linears) {
    const Extremes& input = seen->inputs.at(spec.name);
    EXPECT_TRUE(input.finite && input.low < 0 && input.high > 0) << spec.name;
  }
  EXPECT_GT(seen->inputs.at("model.embed_tokens.weight").amax(), 0.0f);
  EXPECT_EQ(seen->tokens, 64);
  EXPECT_EQ(seen->text_digest.size(), 32u);
}

TEST(Calibration, LinearsOfOneInputSeeTheSame) {
  const auto seen = calibrated(1, supported_isas().back(), {.samples = 1, .context = 64});
  const auto of = [&](const char* name) {
    const Extremes& e = seen->inputs.at(std::string("model.layers.1.") + name + ".weight");
    return std::pair(e.low, e.high);
  };
  EXPECT_EQ(of("self_attn.q_proj"), of("self_attn.v_proj"));
  EXPECT_EQ(of("mlp.gate_proj"), of("mlp.up_proj"));
  EXPECT_NE(of("mlp.down_proj"), of("mlp.up_proj"));
}

// Of every linear of a model that runs whole.
class WholeModel : public Probe {
 public:
  void see(const OperatorOutput& output) override {
    if (output.kind != OperatorKind::linear) return;
    Seen& seen = seen_[output.weight];
    seen.rows += output.input.rows;
    for (int64_t r = 0; r < output.input.rows; ++r)
      seen.extremes.join(extremes_of(output.input.row(r), output.input.columns));
  }
  struct Seen {
    int64_t rows = 0;
    Extremes extremes;
  };
  const Seen& of(const void* weight) { return seen_[weight]; }

 private:
  std::map<const void*, Seen> seen_;
};

class CalibrationOfFamily : public ::testing::TestWithParam<std::string> {};

// Experts that the router sends few tokens get all that the router got.
TEST_P(CalibrationOfFamily, StageByStageSeesWhatTheWholeModelGives) {
  ContextOwner owner(2, supported_isas().back());
  NoProgress progress;
  const auto checkpoint = Checkpoint::open(testing::family_path(GetParam())).value();
  const ModelConfig& config = checkpoint->config();
  constexpr int64_t context = 16, tokens = 3 * context;
  const CalibrationWindows read{{{}, "a test", "0"},
                                Windows::cut(testing::some_tokens(tokens, config.vocabulary_size),
                                             {.tokens = tokens, .context = context}, "a test")
                                    .value()};
  const auto calibration = calibrate(owner.get(), *checkpoint, read, {}, progress).value();

  std::map<std::string, std::string> routers;  // of experts' first linears
  for (const BlockPlan& block : config.plan.blocks)
    for (const MlpPlan& expert : block.experts.experts)
      for (const LinearPlan& plan : expert.inputs)
        routers[spec_of(plan).name] = spec_of(block.experts.router).name;
  const auto model = build_model(owner.get(), config, *checkpoint, progress).value();
  WholeModel whole;
  {
    const ProbeGuard guard(owner.get(), whole);
    Tensor logits(DType::f32, {context, config.vocabulary_size});
    for (int64_t w = 0; w < read.windows.count(); ++w) {
      Sequence sequence = model->new_sequence(context, KvCodec::f32);
      model->forward(owner.get(), sequence, read.windows[w], logits.view<float>());
    }
  }
  const auto range_of = [](const Extremes& e) { return std::pair(e.low, e.high); };
  const auto slots = model->weights().linears;
  EXPECT_EQ(calibration->inputs.size(), slots.size());
  int64_t few = 0;
  for (const auto& [name, slot] : slots) {
    const auto& seen = calibration->inputs.at(name);
    if (!reached_by_few(whole.of(slot).rows, slot->packed.k(), tokens)) {
      EXPECT_EQ(range_of(seen), range_of(whole.of(slot).extremes)) << name;
    } else if (const auto router = routers.find(name); router != routers.end()) {
      ++few;
      EXPECT_EQ(range_of(seen), range_of(calibration->inputs.at(router->second))) << name;
    }
  }
  EXPECT_EQ(few > 0, !routers.empty());
}

INSTANTIATE_TEST_SUITE_P(Families, CalibrationOfFamily, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

TEST(Calibration, NeitherThreadsNorTheInstructionSetChangeIt) {
  const CalibrationOptions options{.text = {}, .samples = 2, .context = 100};
  const auto expected = calibrated(1, Isa::portable, options);
  for (const Isa isa : supported_isas()) {
    const auto seen = calibrated(3, isa, options);
    for (const auto& [name, e] : expected->inputs)
      EXPECT_TRUE(seen->inputs.at(name).low == e.low && seen->inputs.at(name).high == e.high)
          << name;
  }
}

TEST(Calibration, MoreTextWidensTheExtremes) {
  const auto some =
      calibrated(2, supported_isas().back(), {.text = {}, .samples = 1, .context = 64});
  const auto more =
      calibrated(2, supported_isas().back(), {.text = {}, .samples = 8, .context = 64});
  int wider = 0;
  for (const auto& [name, e] : some->inputs) {
    EXPECT_LE(more->inputs.at(name).low, e.low);
    EXPECT_GE(more->inputs.at(name).high, e.high);
    wider += more->inputs.at(name).amax() > e.amax();
  }
  EXPECT_GT(wider, 10);
}

TEST(Calibration, ATextThatIsTooShortIsAnError) {
  const ScratchFolder folder;
  std::ofstream(folder / "short.txt") << "Once upon a time";
  ContextOwner owner(1, supported_isas().back());
  NoProgress progress;
  const auto checkpoint = stories();
  const auto out = calibrate(owner.get(), *checkpoint, {.text = folder / "short.txt"}, progress);
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().text().find("short.txt"), std::string::npos) << out.error().text();
}

TEST(StaticInput, FitsTheExtremesThatWereSeen) {
  const Extremes seen{.low = -1.0f, .high = 3.0f};
  EXPECT_EQ(static_input(Activations::int8_static, seen), (StaticInput{3.0f / 127, 0}));
  EXPECT_EQ(static_input(Activations::fp8_e4m3_static, seen), (StaticInput{3.0f / 448, 0}));
  EXPECT_EQ(static_input(Activations::nvfp4, seen), (StaticInput{3.0f / 2688, 0}));
  // -128 - -1 / (4 / 255) = -64.25
  EXPECT_EQ(static_input(Activations::int8_static_asym, seen), (StaticInput{4.0f / 255, -64}));
}

TEST(StaticInput, OfAnInputOfZerosIsAScaleOfOne) {
  for (const Activations activations : all_activations) {
    if (!is_static(activations) || has_outliers(activations)) continue;
    EXPECT_EQ(static_input(activations, {}).scale, 1.0f);
    EXPECT_TRUE(is_valid(activations, static_input(activations, {})));
  }
}

TEST(StaticInput, OutlierColumnsAreThoseThatReachTheThreshold) {
  const std::vector<float> largest = {1.0f, 6.0f, 0.0f, 5.9999995f, 1e30f};
  const auto columns = [&](float threshold) {
    const auto list = outlier_input(Activations::int8_outliers, largest, threshold).outliers;
    return std::vector<int32_t>(list.list().begin(), list.list().end());
  };
  EXPECT_EQ(columns(6.0f), (std::vector<int32_t>{1, 4}));
  EXPECT_EQ(columns(1.0f), (std::vector<int32_t>{0, 1, 3, 4}));
  EXPECT_EQ(columns(0.0f), std::vector<int32_t>{});
  EXPECT_EQ(outlier_input(Activations::int8_outliers_live, {}, 6.0f).outlier_threshold, 6.0f);
}

TEST(StaticInput, OutlierColumnsThatNoCalibrationChoosesAreNotValid) {
  const auto valid = [](std::vector<int32_t> columns) {
    StaticInput input;
    input.outliers = OutlierColumns(std::move(columns));
    return is_valid(Activations::int8_outliers, input);
  };
  EXPECT_TRUE(valid({}));
  EXPECT_TRUE(valid({0, 5, 6}));
  EXPECT_FALSE(valid({5, 5}));
  EXPECT_FALSE(valid({6, 5}));
  EXPECT_FALSE(valid({-1, 5}));
  EXPECT_FALSE(OutlierColumns({5, 6}).fit(6));
  EXPECT_FALSE(is_valid(Activations::int8_outliers_live, {.outlier_threshold = -1.0f}));
  EXPECT_FALSE(is_valid(Activations::int8_outliers_live, {.outlier_threshold = INFINITY}));
}

// What the probe keeps of each column is what the extremes keep of all.
TEST(Calibration, TheLargestOfTheColumnsIsThatOfTheInput) {
  const auto seen = calibrated(2, supported_isas().back(), {.samples = 1, .context = 64});
  for (const auto& [name, input] : seen->inputs) {
    ASSERT_FALSE(input.largest.empty()) << name;
    EXPECT_EQ(*std::max_element(input.largest.begin(), input.largest.end()), input.amax()) << name;
  }
}

TEST(Calibration, AThresholdBelowTheLargestColumnMakesItAnOutlier) {
  const auto seen = calibrated(2, supported_isas().back(), {.samples = 1, .context = 64});
  Calibration calibration = *seen;
  const auto& [name, input] = *seen->inputs.begin();
  calibration.range.outlier_threshold = input.amax();
  const StaticInput least = calibration.input_of(name, Activations::int8_outliers).value();
  ASSERT_EQ(least.outliers.count(), 1);
  EXPECT_EQ(input.largest[static_cast<size_t>(least.outliers.list()[0])], input.amax());
  calibration.range.outlier_threshold = 0;
  EXPECT_TRUE(calibration.input_of(name, Activations::int8_outliers).value().outliers.empty());
}

// What was seen itself is inside, though its code may be rounded to the last one.
TEST(StaticInput, TheExtremesThatWereSeenAreNotClipped) {
  for (const Activations activations : all_activations) {
    if (!is_static(activations) || has_outliers(activations)) continue;
    for (const float high : {0.1f, 1.7f, 3e5f, 0.77777f}) {
      const Extremes seen{.low = -0.3f * high, .high = high};
      const InputRange range = range_of({activations, static_input(activations, seen)});
      EXPECT_TRUE(range.low <= seen.low && seen.high <= range.high)
          << activations_name(activations) << " " << high;
      EXPECT_GT(range.high, high);
      EXPECT_LT(range.high, 1.2f * high);
    }
  }
}

}  // namespace
}  // namespace farthing
