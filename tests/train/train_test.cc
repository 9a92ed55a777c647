// Facts about a whole training run: stopped and resumed, on any threads, exported and read again.
#include "train/train.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/cpu.h"
#include "base/support/disk_trouble.h"
#include "model/checkpoint_writer.h"
#include "train/training_state.h"

namespace farthing {
namespace {

const std::filesystem::path stories = FARTHING_SOURCE_DIR "/models/stories260k";

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Train : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("farthing_train_" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    checkpoint_ = Checkpoint::open(stories).value();
    write("data.txt",
          "One day a cat sat.\n<|endoftext|>\nA dog ran to the red house and "
          "was happy. The end.\n<|endoftext|>\nLily had a ball. It was blue.\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  // The last lines replace nothing: TOML refuses a key that comes twice.
  Result<Recipe> recipe(const std::string& head, const std::string& tail = {}) {
    write("recipe.toml", head +
                             "\n[data]\ncontext = 16\nbatch_tokens = 48\n[[data.source]]\n"
                             "path = \"data.txt\"\n[schedule]\nsteps = 6\nwarmup_steps = 2\n"
                             "[checkpoint]\nevery_steps = 2\nkeep = 1\n" +
                             tail);
    return Recipe::read(folder_ / "recipe.toml");
  }
  Result<TrainResult> run(
      const Recipe& recipe, const std::string& name, int threads = 2, bool resume = false,
      std::function<void(const TrainStep&)> on_step = [](const TrainStep&) {}) {
    ContextOwner owner(threads, choose_isa().value());
    NoProgress progress;
    return train(owner.get(), *checkpoint_, recipe,
                 {.run = folder_ / name, .resume = resume, .on_step = std::move(on_step)},
                 progress);
  }
  std::string model_bytes(const std::string& name) const {
    return bytes_of(folder_ / name / "model" / "model.safetensors");
  }

  std::filesystem::path folder_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

const char* qat = "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\nkv_cache = \"int8\"";

TEST_F(Train, TheResultIsTheSameOnAnyNumberOfThreads) {
  const Recipe r = recipe(qat).value();
  ASSERT_TRUE(run(r, "one", 1));
  ASSERT_TRUE(run(r, "three", 3));
  EXPECT_EQ(model_bytes("one"), model_bytes("three"));
  EXPECT_FALSE(model_bytes("one").empty());
}

struct Stopped {};

TEST_F(Train, StoppedAtAnyStepAndResumedItGivesTheSameBytes) {
  const Recipe r = recipe(qat).value();
  ASSERT_TRUE(run(r, "whole"));
  for (const int64_t at : {1, 2, 3, 5, 6}) {
    const std::string name = "stopped" + std::to_string(at);
    // leaves the run as a kill would: whatever is not yet on the disk is lost
    EXPECT_THROW(static_cast<void>(run(r, name, 2, false,
                                       [&](const TrainStep& s) {
                                         if (s.step == at) throw Stopped();
                                       })),
                 Stopped);
    const auto resumed = run(r, name, 2, true);
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ(model_bytes(name), model_bytes("whole")) << at;
  }
}

const char* learned =
    "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\nscales = \"learned\"\n"
    "scale_start = \"least_squares\"";

TEST_F(Train, LearnedScalesAreResumedAndOnAnyThreadsTheSame) {
  const Recipe r = recipe(learned).value();
  ASSERT_TRUE(run(r, "whole", 1));
  EXPECT_THROW(static_cast<void>(run(r, "stopped", 3, false,
                                     [&](const TrainStep& s) {
                                       if (s.step == 3) throw Stopped();
                                     })),
               Stopped);
  ASSERT_TRUE(run(r, "stopped", 3, true));
  EXPECT_EQ(model_bytes("stopped"), model_bytes("whole"));
  ASSERT_TRUE(run(recipe(qat).value(), "rule"));
  EXPECT_NE(model_bytes("rule"), model_bytes("whole"));
}

TEST_F(Train, StaticActivationsAreResumedAndTheManifestNamesTheirText) {
  const Recipe r = recipe(
                       "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32@int8_static\"\n"
                       "gradient = \"clipped\"")
                       .value();
  ASSERT_TRUE(run(r, "whole", 1));
  EXPECT_THROW(static_cast<void>(run(r, "stopped", 3, false,
                                     [&](const TrainStep& s) {
                                       if (s.step == 3) throw Stopped();
                                     })),
               Stopped);
  ASSERT_TRUE(run(r, "stopped", 3, true));
  EXPECT_EQ(model_bytes("stopped"), model_bytes("whole"));
  const std::string manifest = bytes_of(folder_ / "whole" / "model" / "farthing.json");
  EXPECT_NE(manifest.find("WikiText-2"), std::string::npos) << manifest;
}

TEST_F(Train, AClippedGradientOfStaticInputsNeedsNoIntegerWeights) {
  const auto head = [](const char* scheme) {
    return std::string("mode = \"qat\"\n[quantization]\nscheme = \"") + scheme +
           "\"\ngradient = \"clipped\"";
  };
  EXPECT_FALSE(recipe(head("nvfp4@f32")));
  EXPECT_TRUE(recipe(head("nvfp4@nvfp4")));
}

TEST_F(Train, LearnedScalesOfAFormatWithoutThemAreRefused) {
  const auto r =
      recipe("mode = \"qat\"\n[quantization]\nscheme = \"int4_g32_asym\"\nscales = \"learned\"");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().text().find("quantization.scales"), std::string::npos) << r.error().text();
  EXPECT_NE(r.error().text().find("int4_g32_asym"), std::string::npos);
}

TEST_F(Train, ExportedCodesAreReadAndWrittenAgainByteForByte) {
  const Recipe r = recipe(qat).value();
  ASSERT_TRUE(run(r, "run"));
  ContextOwner owner(1, choose_isa().value());
  NoProgress progress;
  const auto checkpoint = Checkpoint::open(folder_ / "run" / "model").value();
  const auto linear_of = [&](const LinearSpec& spec, bool) -> Result<CheckpointWriting::Linear> {
    const StoredLinear stored = checkpoint->linear(spec).value();
    return CheckpointWriting::Linear{{stored.weight.format, stored.activations}};
  };
  const CheckpointWriting writing{.from = *checkpoint,
                                  .source = *checkpoint,
                                  .method = "qat",
                                  .scheme = r.precision.linears,
                                  .scale_rule = {},
                                  .linear_of = linear_of,
                                  .manifest = [] { return std::string("{}\n"); }};
  std::filesystem::create_directories(folder_ / "again");
  ASSERT_TRUE(write_checkpoint(writing, folder_ / "again" / "model", progress));
  EXPECT_EQ(model_bytes("again"), model_bytes("run"));
  const LinearSpec first = tensors_of(checkpoint->config()).linears[0];
  EXPECT_EQ(linear_of(first, false).value().scheme.weights->name, "int4_g32");
}

TEST_F(Train, AResumedRunKeepsTheMetricsOfItsState) {
  const Recipe r = recipe(qat).value();
  EXPECT_THROW(static_cast<void>(run(r, "run", 1, false,
                                     [&](const TrainStep& s) {
                                       if (s.step == 5) throw Stopped();
                                     })),
               Stopped);
  ASSERT_TRUE(run(r, "run", 1, true));
  const std::string metrics = bytes_of(folder_ / "run" / "metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 6);
  EXPECT_NE(metrics.find("\"step\":6"), std::string::npos);
}

// At the evaluations and at the end; a run that goes on shows what was before, too.
TEST_F(Train, ThePageIsThereFromTheStartAndShowsTheWholeRun) {
  const Recipe r =
      recipe(qat, "[evaluation]\npath = \"data.txt\"\nevery_steps = 2\ntokens = 16\n").value();
  const auto page = [&] { return bytes_of(folder_ / "run" / "report.html"); };
  const auto shows = [&](const std::string& part) {
    return page().substr(0, page().find("<script")).find(part) != std::string::npos;
  };
  std::vector<std::string> pages;
  EXPECT_THROW(static_cast<void>(run(r, "run", 1, false,
                                     [&](const TrainStep& s) {
                                       pages.push_back(page());
                                       if (s.step == 5) throw Stopped();
                                     })),
               Stopped);
  EXPECT_NE(pages[0].find("step 0 of 6"), std::string::npos);
  EXPECT_NE(pages[2].find("step 2 of 6"), std::string::npos);
  EXPECT_TRUE(shows("step 4 of 6"));
  const auto result = run(r, "run", 1, true);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_TRUE(shows("Finished at"));
  for (const char* step : {"<tr><td>1</td>", "<tr><td>6</td>"}) EXPECT_TRUE(shows(step)) << step;
  EXPECT_TRUE(shows("before training"));
  ASSERT_TRUE(run(r, "whole", 1));
  const auto whole = run(r, "whole", 1, true);
  ASSERT_TRUE(whole);
  EXPECT_EQ(result->evaluation_before, whole->evaluation_before);  // of the run, not of the call
  EXPECT_NE(result->evaluation_before, result->evaluation_after);
  EXPECT_EQ(result->evaluation_after, whole->evaluation_after);
}

// No file can grow beyond a limit from step 3 on: first the state of step 4 has no room (3.1 MB),
// then the page of step 3 (0.2 MB), then the line of step 3.
TEST_F(Train, AFullDiskLeavesTheLastGoodStateAndResumingGivesTheSameBytes) {
  const Recipe r =
      recipe(qat, "[evaluation]\npath = \"data.txt\"\nevery_steps = 3\ntokens = 16\n").value();
  ASSERT_TRUE(run(r, "whole"));
  struct Case {
    rlim_t most_bytes;
    const char* path;
  };
  for (const Case& each :
       {Case{1'000'000, "step-00000004"}, {100'000, "report.html"}, {300, "metrics.jsonl"}}) {
    SCOPED_TRACE(each.path);
    std::filesystem::remove_all(folder_ / "run");
    {
      std::optional<FileSizeLimit> limit;
      const auto failed = run(r, "run", 2, false, [&](const TrainStep& s) {
        if (s.step == 3) limit.emplace(each.most_bytes);
      });
      ASSERT_FALSE(failed);
      EXPECT_NE(failed.error().where.find((folder_ / "run" / each.path).string()),
                std::string::npos)
          << failed.error().text();
      EXPECT_NE(failed.error().remedy.find("free space"), std::string::npos);
    }
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "run"))
      left.push_back(entry.path().filename());
    std::sort(left.begin(), left.end());
    EXPECT_EQ(left, (std::vector<std::string>{"metrics.jsonl", "report.html", "step-00000002"}));
    const auto resumed = run(r, "run", 2, true);
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ(resumed->steps.front().step, 3);
    EXPECT_EQ(model_bytes("run"), model_bytes("whole"));
  }
}

TEST_F(Train, PretrainingMakesAModelOfTheRecipesSizes) {
  const Recipe r = recipe(
                       "mode = \"pretrain\"\n[model]\nhidden_size = 32\nlayers = 2\nheads = 4\n"
                       "kv_heads = 2\nintermediate_size = 48\nmax_positions = 64")
                       .value();
  const auto result = run(r, "run");
  ASSERT_TRUE(result) << result.error().text();
  const auto made = Checkpoint::open(result->model).value();
  EXPECT_EQ(made->config().hidden_size, 32);
  EXPECT_EQ(made->config().layers, 2);
  EXPECT_EQ(made->config().kv_heads, 2);
}

TEST_F(Train, AnEarlierRunIsNotOverwritten) {
  const Recipe r = recipe(qat).value();
  ASSERT_TRUE(run(r, "run"));
  const std::string before = model_bytes("run");
  const auto again = run(r, "run");
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text().find("--resume"), std::string::npos);
  EXPECT_EQ(model_bytes("run"), before);
}

TEST_F(Train, AStateOfAnotherRecipeIsRefused) {
  ASSERT_TRUE(run(recipe(qat).value(), "run"));
  const auto other = run(recipe(qat, "[optimizer]\nlearning_rate = 0.5\n").value(), "run", 1, true);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().text().find("another recipe"), std::string::npos);
  EXPECT_TRUE(latest_training_state(folder_ / "run").has_value());
}

TEST_F(Train, AGradientThatIsNotFiniteChangesNothing) {
  ContextOwner owner(1, choose_isa().value());
  NoProgress progress;
  const TrainedPrecision precision{.linears = parse_scheme("int4_g32").value()};
  auto model = TrainedModel::create(owner.get(), *checkpoint_, precision, progress).value();
  Optimizer optimizer({}, model->parameters());
  Parameter& p = *model->parameters()[3];
  p.gradient.as<float>()[5] = INFINITY;
  const float before = p.value.as<float>()[0];
  const auto result = optimizer.step(owner.get(), 1e-3);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find(p.name), std::string::npos);
  EXPECT_EQ(p.value.as<float>()[0], before);
  EXPECT_EQ(optimizer.steps(), 0);
}

TEST_F(Train, AWeightThatIsNotFiniteIsNamedBeforeItRuns) {
  ContextOwner owner(1, choose_isa().value());
  NoProgress progress;
  const TrainedPrecision precision{.linears = parse_scheme("int4_g32").value()};
  auto model = TrainedModel::create(owner.get(), *checkpoint_, precision, progress).value();
  Parameter& p = *model->parameters()[3];
  p.value.as<float>()[5] = NAN;
  const auto result = model->encode(owner.get());
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find(p.name), std::string::npos);
}

TEST_F(Train, DataWithoutTokensIsAnError) {
  write("data.txt", "");
  const auto result = run(recipe(qat).value(), "run");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("data.txt"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "model"));
}

TEST_F(Train, AnUnknownKeyIsNamedWithItsLineAndTheNearestKnown) {
  const auto r = recipe("mode = \"qat\"\n[quantization]\nscheem = \"int4_g32\"");
  ASSERT_FALSE(r);
  const std::string text = r.error().text();
  EXPECT_NE(text.find("quantization.scheem"), std::string::npos) << text;
  EXPECT_NE(text.find("line 3"), std::string::npos) << text;
  EXPECT_NE(text.find("quantization.scheme"), std::string::npos) << text;
}

// [model] is a section that is there or not.
TEST_F(Train, AnUnknownKeyInASectionThatMayBeAbsentIsNamed) {
  const auto r = recipe(
      "mode = \"pretrain\"\n[model]\nhidden_size = 32\nlayers = 2\nheads = 4\n"
      "intermediate_size = 48\nkv_head = 2");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().got, "model.kv_head");
  EXPECT_NE(r.error().wanted.find("model.kv_heads"), std::string::npos);
}

TEST(ScheduleOf, WarmsUpAndEndsWhereTheKindSays) {
  Schedule s{.kind = Schedule::Kind::cosine, .learning_rate = 2, .steps = 110, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(s.at(1), 0.2);
  EXPECT_DOUBLE_EQ(s.at(10), 2);
  EXPECT_NEAR(s.at(60), 1.1, 1e-15);  // half way: the mean of 2 and 0.2
  EXPECT_NEAR(s.at(110), 0.2, 1e-15);
  s.kind = Schedule::Kind::wsd;
  EXPECT_DOUBLE_EQ(s.at(88), 2);
  EXPECT_NEAR(s.at(99), 1.1, 1e-15);
  EXPECT_DOUBLE_EQ(s.at(110), 0.2);
  s.kind = Schedule::Kind::constant;
  EXPECT_DOUBLE_EQ(s.at(110), 2);
}

}  // namespace
}  // namespace farthing
