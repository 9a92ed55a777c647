// Quantizing block by block: stages run as the model does, and an interrupted run ends with the
// same bytes.
#include "quant/stages/quantize_stages.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "base/support/scratch_folder.h"
#include "model/stages/stages.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "quant/stages/stage_inputs.h"

namespace farthing {
namespace {

using testing::family_path;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class FamilyStages : public ::testing::TestWithParam<std::string> {};

TEST_P(FamilyStages, GiveTheModelsBits) {
  ContextOwner owner(2, supported_isas().back());
  Context& context = owner.get();
  const auto checkpoint = Checkpoint::open(family_path(GetParam()));
  ASSERT_TRUE(checkpoint.has_value());
  const ModelConfig& config = (*checkpoint)->config();
  const auto tokens = testing::some_tokens(23, config.vocabulary_size);
  const auto model = testing::load_model(context, family_path(GetParam()));
  ASSERT_TRUE(model.has_value());
  const auto wanted = testing::logits_of(context, **model, tokens, tokens.size());

  Tensor hidden(DType::f32, {23, config.hidden_size}),
      logits(DType::f32, {23, config.vocabulary_size});
  for (int64_t s = 0; s < stage_count(config); ++s) {
    const auto stage = build_stage(context, config, s, **checkpoint);
    ASSERT_TRUE(stage.has_value()) << stage.error().text();
    (*stage)->run(context, {tokens, hidden.view<float>(), logits.view<float>()});
  }
  EXPECT_EQ(std::memcmp(logits.data(), wanted.data(), static_cast<size_t>(logits.bytes())), 0);
}

// Every linear of a block is in exactly one step, and its group's input has its k.
TEST_P(FamilyStages, StepsHoldEveryLinearOnce) {
  ContextOwner owner(1, supported_isas().back());
  const auto checkpoint = Checkpoint::open(family_path(GetParam()));
  ASSERT_TRUE(checkpoint.has_value());
  const ModelConfig& config = (*checkpoint)->config();
  std::set<std::string> kept;
  for (const LinearSpec& spec : tensors_of(config).linears)
    if (spec.keeps_precision) kept.insert(spec.name);
  for (int64_t s = 1; s + 1 < stage_count(config); ++s) {
    std::multiset<std::string> in_steps, in_stage;
    for (const LinearStep& step : steps_of_stage(config, s))
      for (const LinearGroup& group : step)
        for (const LinearSpec& spec : group.linears) {
          EXPECT_EQ(spec.k, group.linears.front().k);
          in_steps.insert(spec.name);
        }
    const auto built = build_stage(owner.get(), config, s, **checkpoint);
    ASSERT_TRUE(built.has_value());
    for (const auto& [name, slot] : (*built)->weights().linears)
      if (!kept.contains(name)) in_stage.insert(name);
    EXPECT_EQ(in_steps, in_stage) << s;
  }
}

// One step after the other, the way the driver goes: each linear is seen with as many tokens as it
// gets, and no product before it is left out.
TEST_P(FamilyStages, EveryStepIsSeen) {
  ContextOwner owner(2, supported_isas().back());
  const auto checkpoint = Checkpoint::open(family_path(GetParam()));
  ASSERT_TRUE(checkpoint.has_value());
  const ModelConfig& config = (*checkpoint)->config();
  const int64_t length = 16;
  auto ids = testing::some_tokens(2 * static_cast<size_t>(length), config.vocabulary_size);
  const auto windows = Windows::cut(ids, {.tokens = 2 * length, .context = length}, "test");
  ASSERT_TRUE(windows.has_value());
  ScratchFolder folder;
  const auto embedding = build_stage(owner.get(), config, 0, **checkpoint);
  ASSERT_TRUE(embedding.has_value());
  ASSERT_TRUE(write_hidden(owner.get(), **embedding, *windows, nullptr, config.hidden_size,
                           folder / "hidden", [](int64_t) {}));
  const auto from = HiddenStates::open(folder / "hidden", 2 * length, config.hidden_size);
  ASSERT_TRUE(from.has_value());
  const auto block = build_stage(owner.get(), config, 1, **checkpoint);
  ASSERT_TRUE(block.has_value());
  for (const LinearStep& step : steps_of_stage(config, 1)) {
    const auto inputs = see_inputs(owner.get(), **block, step, {.gram = true}, *windows, *from,
                                   config.hidden_size, [](int64_t) {});
    ASSERT_TRUE(inputs.has_value()) << inputs.error().text();
    int64_t tokens = 0;
    for (size_t g = 0; g < step.size(); ++g) {
      tokens += (*inputs)[g].tokens;
      if (step.size() == 1 || step[g].values) {
        EXPECT_EQ((*inputs)[g].tokens, 2 * length);
      }
    }
    EXPECT_GE(tokens, 2 * length) << step[0].linears[0].name;
  }
}

// A stage gives the same bits whether it is run whole or from what its last step was seen to get.
TEST_P(FamilyStages, GoOnFromTheInputsOfTheLastStep) {
  ContextOwner owner(2, supported_isas().back());
  const auto checkpoint = Checkpoint::open(family_path(GetParam()));
  ASSERT_TRUE(checkpoint.has_value());
  const ModelConfig& config = (*checkpoint)->config();
  const int64_t length = 16, tokens = 2 * length;
  const auto ids = testing::some_tokens(static_cast<size_t>(tokens), config.vocabulary_size);
  const auto windows = Windows::cut(ids, {.tokens = tokens, .context = length}, "test");
  ASSERT_TRUE(windows.has_value());
  const ScratchFolder folder;
  const auto quiet = [](int64_t) {};
  ASSERT_TRUE(write_hidden(owner.get(), **build_stage(owner.get(), config, 0, **checkpoint),
                           *windows, nullptr, config.hidden_size, folder / "hidden", quiet));
  const auto from = HiddenStates::open(folder / "hidden", tokens, config.hidden_size);
  ASSERT_TRUE(from.has_value());
  for (int64_t s = 1; s + 1 < stage_count(config) && s < 5; ++s) {
    auto kept = LastStepInputs::create(config, s, folder.path());
    ASSERT_TRUE(kept.has_value());
    const StagePlace place = place_of_stage(config, s);
    EXPECT_EQ(kept->has_value(), place.attention != place.mlp);
    if (!*kept) continue;
    const auto stage = build_stage(owner.get(), config, s, **checkpoint);
    ASSERT_TRUE(stage.has_value());
    const auto steps = steps_of_stage(config, s);
    ASSERT_TRUE(see_inputs(owner.get(), **stage, steps.back(), {.keep = &**kept}, *windows, *from,
                           config.hidden_size, quiet));
    ASSERT_TRUE((*kept)->holds(2));
    const auto write = [&](LastStepInputs* inputs, const char* name) {
      ASSERT_TRUE(write_output(owner.get(), **stage, steps, inputs, *windows, *from,
                               config.hidden_size, folder / name, quiet));
    };
    write(nullptr, "whole");
    // What the linears before the last step would give now no longer matters.
    for (const auto& [name, slot] : (*stage)->weights().linears)
      for (size_t i = 0; i + 1 < steps.size(); ++i)
        for (const LinearGroup& group : steps[i])
          for (const LinearSpec& spec : group.linears)
            if (spec.name == name)
              slot->packed = ops::pack_weight(owner.get(),
                                              {find_format("f32"),
                                               spec.n,
                                               spec.k,
                                               DType::f32,
                                               {Tensor(DType::f32, {spec.n, spec.k})}},
                                              {});
    write(&**kept, "resumed");
    EXPECT_EQ(bytes_of(folder / "whole"), bytes_of(folder / "resumed")) << stage_name(config, s);
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, FamilyStages, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

// The weights with which each value is read, exactly: a gradient of one element of one token's
// output alone gives them.
class ExactReading : public Probe {
 public:
  explicit ExactReading(Context& context) : context_(context) {}
  void see(const OperatorOutput&) override {}
  PassStep before_attention(const AttentionPass& pass) override {
    const int64_t rows = pass.q.rows, columns = pass.q.columns;
    const int64_t heads = 8, head_dim = columns / heads, kv_heads = pass.kv_columns / head_dim;
    weights.assign(static_cast<size_t>(rows), 0);
    Context plain = context_;
    plain.probe = nullptr;
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        Tensor one(DType::f32, {rows, columns}), q(DType::f32, {rows, columns}),
            k(DType::f32, {rows, pass.kv_columns}), v(DType::f32, {rows, pass.kv_columns});
        one.view<float>().row(t)[h * head_dim] = 1;
        ops::attention_backward(plain, pass.q, pass.sequences, pass.layer, pass.options,
                                std::as_const(one).view<float>(),
                                {q.view<float>(), k.view<float>(), v.view<float>()});
        const int64_t at = h / (heads / kv_heads) * head_dim;
        for (int64_t j = 0; j < rows; ++j) {
          const float p = v.view<float>().row(j)[at];
          weights[static_cast<size_t>(j)] += p * p / static_cast<float>(kv_heads);
        }
      }
    }
    return PassStep::run;
  }
  std::vector<float> weights;

 private:
  Context& context_;
};

TEST(ReadingWeights, AreTheSumsOfSquaresOfAttentionsWeights) {
  ContextOwner owner(2, supported_isas().back());
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
  ASSERT_TRUE(from.has_value());
  const ModelConfig& config = (*from)->config();
  ASSERT_EQ(config.heads, 8);
  const auto tokens = testing::some_tokens(24, config.vocabulary_size);
  Tensor embedded(DType::f32, {24, config.hidden_size});
  const auto embedding = build_stage(owner.get(), config, 0, **from);
  const auto block = build_stage(owner.get(), config, 1, **from);
  ASSERT_TRUE(embedding && block);
  (*embedding)->run(owner.get(), {.tokens = tokens, .hidden = embedded.view<float>()});
  Tensor again(DType::f32, {24, config.hidden_size});
  std::memcpy(again.data(), embedded.data(), static_cast<size_t>(again.bytes()));
  const auto got =
      reading_weights(owner.get(), **block, {.tokens = tokens, .hidden = embedded.view<float>()});
  ExactReading exact(owner.get());
  Context own = owner.get();
  own.probe = &exact;
  (*block)->run(own, {.tokens = tokens, .hidden = again.view<float>()});
  ASSERT_EQ(got.size(), 24u);
  double sum = 0, wanted = 0, miss = 0;
  for (size_t j = 0; j < 24; ++j) {
    sum += got[j];
    wanted += exact.weights[j];
    miss += std::fabs(got[j] - exact.weights[j]);
  }
  // 32 samples each: a standard deviation of at most sqrt(2 / 32), a quarter, for each token
  EXPECT_NEAR(sum, wanted, 0.25 * wanted);
  EXPECT_LT(miss, 0.3 * wanted);
}

struct Story {
  ScratchFolder folder;
  Result<std::vector<LayerReport>> go(const std::string& name, int threads, bool resume,
                                      Progress& progress) {
    ContextOwner owner(threads, supported_isas().back());
    const auto from = TRY(Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k"));
    QuantizeOptions options;
    options.scheme = TRY(parse_scheme("int4_g32@int8_static"));
    options.method = find_algorithm("gptq");
    options.rules.push_back(TRY(parse_rule("*.down_proj=nf4:imatrix")));
    options.rules.push_back(TRY(parse_rule("*.up_proj=spqr3_g16:spqr")));  // of a length of its own
    return quantize_checkpoint(owner.get(), *from, options, folder / name, progress,
                               {.calibration = {.samples = 4, .context = 64}, .resume = resume});
  }
};

TEST(QuantizeStages, TheSameBytesForAnyThreads) {
  Story run;
  NoProgress quiet;
  const auto one = run.go("one", 1, false, quiet), two = run.go("two", 2, false, quiet);
  ASSERT_TRUE(one && two) << one.error().text();
  EXPECT_EQ(bytes_of(run.folder / "one/model.safetensors"),
            bytes_of(run.folder / "two/model.safetensors"));
  EXPECT_EQ(run.folder.names(), (std::vector<std::string>{"one", "two"}));  // no work is left
  for (const LayerReport& layer : *one) {
    EXPECT_EQ(layer.tokens, 4 * 64);
    const bool searched = layer.name.find("down_proj") != std::string::npos,
               outliers = layer.name.find("up_proj") != std::string::npos;
    EXPECT_EQ(layer.format, searched ? "nf4" : outliers ? "spqr3_g16" : "int4_g32");
    if (!searched) {
      EXPECT_LT(layer.output_error, layer.output_error_before) << layer.name;
    }
  }
}

// Stands for a process that ends between two writes.
class Stop : public Progress {
 public:
  explicit Stop(std::string at) : at_(std::move(at)) {}
  void update(double, double, std::string_view what) override {
    if (what.starts_with(at_)) throw 1;
  }

 private:
  std::string at_;
};

TEST(QuantizeStages, WhatWasInterruptedEndsWithTheSameBytes) {
  Story run;
  NoProgress quiet;
  ASSERT_TRUE(run.go("whole", 2, false, quiet));
  for (const char* at : {"block 0", "model.layers.2.self_attn.o_proj", "block 4, mlp, window 3"}) {
    Stop stop(at);
    EXPECT_THROW((void)run.go("q", 2, false, stop), int);
    EXPECT_FALSE(std::filesystem::exists(run.folder / "q"));
    EXPECT_TRUE(std::filesystem::exists(run.folder / "q.work/work.json"));
    const auto again = run.go("q", 1, false, quiet);  // not without being asked
    ASSERT_FALSE(again.has_value());
    EXPECT_EQ(again.error().what, "an earlier run of this quantization was interrupted");
    ASSERT_TRUE(run.go("q", 1, true, quiet)) << at;
    for (const char* file : {"model.safetensors", "config.json", "farthing.json"})
      EXPECT_EQ(bytes_of(run.folder / "q" / file), bytes_of(run.folder / "whole" / file)) << at;
    EXPECT_FALSE(std::filesystem::exists(run.folder / "q.work"));
    std::filesystem::remove_all(run.folder / "q");
  }
}

// What the next block is fitted to comes out of the blocks before as they were stored.
TEST(QuantizeStages, HiddenStatesComeFromTheQuantizedBlocks) {
  Story run;
  Stop stop("block 1, mlp");
  EXPECT_THROW((void)run.go("q", 2, false, stop), int);
  ContextOwner owner(1, supported_isas().back());
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
  ASSERT_TRUE(from.has_value());
  StagesRun stored;
  for (const int stage : {1, 2, 3}) {
    const auto file = run.folder / "q.work" / ("stage-" + std::to_string(stage) + ".safetensors");
    ASSERT_TRUE(std::filesystem::exists(file)) << stage;
  }
  const std::string identity = bytes_of(run.folder / "q.work/work.json");
  const auto work = WorkFolder::open(run.folder / "q.work", identity, true);
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(work->done(), 3);
  for (const int stage : {1, 2, 3}) {
    auto result = work->read_stage(stage);
    ASSERT_TRUE(result.has_value());
    for (QuantizedLinear& linear : result->linears) {
      const std::string name = linear.report.name;
      stored.linears.emplace(name, std::move(linear));
    }
  }
  QuantizeOptions options;
  options.scheme = parse_scheme("int4_g32@int8_static").value();
  options.method = find_algorithm("gptq");
  QuantizingSource source(owner.get(), **from, options, stored);
  const ModelConfig& config = (*from)->config();
  const auto windows = Windows::of_text((*from)->tokenizer().value(), built_in_calibration_text(),
                                        {.tokens = 4 * 64, .context = 64}, config.vocabulary_size);
  ASSERT_TRUE(windows.has_value());
  const auto hidden = HiddenStates::open(work->hidden(3), 4 * 64, config.hidden_size);
  ASSERT_TRUE(hidden.has_value());
  EXPECT_FALSE(std::filesystem::exists(work->hidden(2)));
  Tensor rows(DType::f32, {64, config.hidden_size}), kept(DType::f32, {64, config.hidden_size});
  for (int64_t w = 0; w < 4; ++w) {
    for (const int stage : {0, 1, 2, 3}) {
      const auto built = build_stage(owner.get(), config, stage, source);
      ASSERT_TRUE(built.has_value());
      (*built)->run(owner.get(), {.tokens = (*windows)[w], .hidden = rows.view<float>()});
    }
    hidden->copy_rows(owner.get(), w * 64, kept.view<float>());
    EXPECT_EQ(std::memcmp(rows.data(), kept.data(), static_cast<size_t>(rows.bytes())), 0) << w;
  }
}

// The first linears of a model get the same inputs from stages as from the whole model.
TEST(QuantizeStages, OutlierColumnsAreThoseOfACalibration) {
  const ScratchFolder folder;
  ContextOwner owner(2, supported_isas().back());
  NoProgress quiet;
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
  const LinearSpec first = tensors_of(from->config()).linears[0];
  const auto columns_by = [&](const char* method, float threshold) {
    QuantizeOptions options;
    options.scheme = parse_scheme("int8_row@int8_outliers").value();
    options.method = find_algorithm(method);
    options.range.outlier_threshold = threshold;
    const auto to = folder / (std::string(method) + std::to_string(threshold));
    const auto done = quantize_checkpoint(owner.get(), *from, options, to, quiet,
                                          {.calibration = {.samples = 4, .context = 64}});
    EXPECT_TRUE(done.has_value()) << done.error().text();
    EXPECT_NE(bytes_of(to / "farthing.json").find("\"outlier_threshold\": "), std::string::npos);
    return Checkpoint::open(to).value()->linear(first).value().input.outliers;
  };
  const OutlierColumns seen = columns_by("imatrix", 1.5f);
  EXPECT_GT(seen.count(), 0);
  EXPECT_LT(seen.count(), first.k);
  EXPECT_EQ(columns_by("rtn", 1.5f), seen);
  EXPECT_LT(columns_by("imatrix", 3.0f).count(), seen.count());
  EXPECT_TRUE(columns_by("imatrix", 0.0f).empty());
}

TEST(QuantizeStages, AnothersWorkIsNotGoneOnWith) {
  Story run;
  Stop stop("block 1");
  EXPECT_THROW((void)run.go("q", 1, false, stop), int);
  std::ofstream(run.folder / "q.work/work.json", std::ios::app) << "\n";
  NoProgress quiet;
  const auto other = run.go("q", 1, true, quiet);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().what, "the folder holds the unfinished work of another quantization");
  EXPECT_TRUE(std::filesystem::exists(run.folder / "q.work/stage-0.safetensors"));
}

}  // namespace
}  // namespace farthing
