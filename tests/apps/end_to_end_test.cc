// The program on a real, small model, from one command to the next.
#include <gtest/gtest.h>

#include "apps/support/program.h"
#include "base/cpu.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

std::vector<std::string> run_arguments(std::vector<std::string> more) {
  std::vector<std::string> out{"run", stories(), "-p", "Once upon a time", "-n", "40"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

TEST(EndToEnd, GreedyTextIsTheStory) {
  const ProgramRun run = farthing(run_arguments({"--temp", "0"}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out.rfind(", there was a little girl named Lily.", 0), 0u) << run.out;
  EXPECT_NE(run.err.find("tokens/s"), std::string::npos) << run.err;
}

TEST(EndToEnd, TheSameSeedGivesTheSameTextForAnyThreadsAndInstructions) {
  const ProgramRun first = farthing(run_arguments({"--seed", "7", "--threads", "1"}));
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(farthing(run_arguments({"--seed", "7", "--threads", "2"})).out, first.out);
  for (const Isa isa : supported_isas()) {
    const ProgramSettings forced{
        .input = {},
        .environment = {{"FARTHING_FORCE_ISA", std::string(isa_name(isa))}},
        .folder = {}};
    EXPECT_EQ(farthing(run_arguments({"--seed", "7"}), forced).out, first.out) << isa_name(isa);
  }
  EXPECT_NE(farthing(run_arguments({"--seed", "8"})).out, first.out);
}

TEST(EndToEnd, ThePromptMayComeFromAFileOrFromStandardInput) {
  ScratchFolder folder;
  write_all(folder / "prompt", "Once upon a time");
  const std::string direct = farthing(run_arguments({"--temp", "0"})).out;
  const std::vector<std::string> rest{"-n", "40", "--temp", "0"};
  std::vector<std::string> from_file{"run", stories(), "-f", (folder / "prompt").string()};
  from_file.insert(from_file.end(), rest.begin(), rest.end());
  EXPECT_EQ(farthing(from_file).out, direct);
  std::vector<std::string> from_input{"run", stories(), "-p", "-"};
  from_input.insert(from_input.end(), rest.begin(), rest.end());
  EXPECT_EQ(
      farthing(from_input, {.input = "Once upon a time", .environment = {}, .folder = {}}).out,
      direct);
}

TEST(EndToEnd, APromptLongerThanTheContextIsAnError) {
  std::string prompt;
  for (int i = 0; i < 600; ++i) prompt += "once ";
  const ProgramRun run = farthing({"run", stories(), "-p", prompt});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("the prompt is longer than the model's context"), std::string::npos)
      << run.err;
  EXPECT_NE(run.err.find("at most 512 tokens"), std::string::npos) << run.err;
}

class StoredAndLoaded : public ::testing::TestWithParam<const char*> {};

TEST_P(StoredAndLoaded, AQuantizedDirectoryComputesWhatQuantizingWhileLoadingDoes) {
  ScratchFolder folder;
  const std::string quantized = (folder / "q").string();
  ASSERT_EQ(farthing({"quantize", stories(), "-o", quantized, "--format", GetParam()}).status, 0);
  const ProgramRun stored =
      farthing({"run", quantized, "-p", "The dog", "-n", "30", "--json", "--temp", "0"});
  const ProgramRun loaded = farthing({"run", stories(), "-p", "The dog", "-n", "30", "--json",
                                      "--temp", "0", "--format", GetParam()});
  ASSERT_EQ(stored.status, 0) << stored.err;
  ASSERT_EQ(loaded.status, 0) << loaded.err;
  const auto without_timings = [](const std::string& json) {
    return json.substr(0, json.find("\"timings\""));
  };
  EXPECT_EQ(without_timings(stored.out),
            without_timings(loaded.out));  // log-probabilities in all their digits
}

INSTANTIATE_TEST_SUITE_P(EndToEnd, StoredAndLoaded,
                         ::testing::Values("int4_g32", "f16@fp8_e4m3_token", "int4_g32@mxfp8",
                                           "int8_row@int8_static", "int8_row@int8_static_asym",
                                           "int8_row@int8_outliers", "nf4@int8_outliers",
                                           "fp8_e4m3_row@fp8_e4m3_static", "nvfp4@nvfp4"));

TEST(Calibration, TheTextAndItsLengthDecideTheScales) {
  ScratchFolder folder;
  const auto quantize = [&](const char* name, std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "quantize", stories(), "-o", (folder / name).string(), "--format", "int8_row@int8_static"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return read_all(folder / name / "model.safetensors");
  };
  const std::string text = FARTHING_SOURCE_DIR "/data/tinystories/eval.txt";
  const std::string by_default = quantize("default", {});
  EXPECT_EQ(quantize("again", {"--threads", "1"}), by_default);
  EXPECT_NE(quantize("text", {"--calibration", text}), by_default);
  EXPECT_NE(quantize("short", {"--num-calibration-samples", "1", "--max-seq-length", "64"}),
            by_default);
  const std::string manifest = read_all(folder / "text" / "farthing.json");
  EXPECT_NE(manifest.find("tinystories/eval.txt"), std::string::npos) << manifest;
  EXPECT_NE(manifest.find("\"tokens\": 4096"), std::string::npos) << manifest;
}

TEST(Calibration, OfASchemeWithoutStaticActivationsIsRefusedAndNothingIsWritten) {
  ScratchFolder folder;
  const ProgramRun run = farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format",
                                   "int4_g32", "--calibration", "text"});
  EXPECT_EQ(run.status, 2);
  EXPECT_NE(run.err.find("nothing to calibrate"), std::string::npos) << run.err;
  EXPECT_TRUE(folder.names().empty());
}

TEST(Calibration, OfATextThatIsNotThereFailsAndNothingIsWritten) {
  ScratchFolder folder;
  const ProgramRun run =
      farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format",
                "int8_row@int8_static", "--calibration", (folder / "none.txt").string()});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("none.txt"), std::string::npos) << run.err;
  EXPECT_TRUE(folder.names().empty());
}

TEST(Outliers, TheThresholdDecidesHowManyColumnsAreKept) {
  const auto with = [](const std::string& format, std::vector<std::string> more) {
    std::vector<std::string> arguments{"eval", stories(), "--tokens", "128", "--context",
                                       "64",   "--json",  "--format", format};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    const auto at = run.out.find("\"perplexity\"");
    return run.out.substr(at, run.out.find('}', at) - at);
  };
  const std::string token = with("int8_row@int8_token", {});
  for (const char* format : {"int8_row@int8_outliers", "int8_row@int8_outliers_live"}) {
    EXPECT_EQ(with(format, {"--outlier-threshold", "0"}), token) << format;
    EXPECT_NE(with(format, {"--outlier-threshold", "1"}), token) << format;
  }
}

TEST(Outliers, TheThresholdCountsWhereAModelRunsToo) {
  const auto with = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "run", stories(), "-p",       "Once upon a time",      "-n", "4", "--temp",
        "0",   "--json",  "--format", "int8_row@int8_outliers"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out.substr(run.out.find("\"logprobs\""));
  };
  const auto logprobs = [](const std::string& out) { return out.substr(0, out.find(']')); };
  EXPECT_EQ(logprobs(with({"--outlier-threshold", "6"})), logprobs(with({})));
  EXPECT_NE(logprobs(with({"--outlier-threshold", "1"})), logprobs(with({})));
}

TEST(Outliers, AThresholdForASchemeWithoutThemIsRefused) {
  for (const char* command : {"eval", "quantize", "compare", "run", "bench", "kernels"}) {
    std::vector<std::string> arguments{command, stories(), "--outlier-threshold", "3"};
    arguments.push_back(std::string(command) == "compare" ? "--formats" : "--format");
    arguments.emplace_back("int8_row@int8_token");
    if (std::string(command) == "quantize")
      arguments.insert(arguments.end(), {"-o", "/nonexistent/q"});
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 2) << command;
    EXPECT_NE(run.err.find("no outlier columns"), std::string::npos) << run.err;
  }
}

TEST(EndToEnd, AModelHasNoDistanceFromItsSavedLogits) {
  ScratchFolder folder;
  const std::string logits = (folder / "logits.npy").string();
  const std::vector<std::string> windows{"--tokens", "256", "--context", "64"};
  std::vector<std::string> save{"eval", stories(), "--save-logits", logits};
  save.insert(save.end(), windows.begin(), windows.end());
  ASSERT_EQ(farthing(save).status, 0);
  std::vector<std::string> against{"eval", stories(), "--against", logits, "--json"};
  against.insert(against.end(), windows.begin(), windows.end());
  const ProgramRun run = farthing(against);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("\"kl_mean\": {\n    \"value\": 0.0,"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\"top1_agreement\": {\n    \"value\": 1.0,"), std::string::npos)
      << run.out;
}

TEST(EndToEnd, TheDistanceFromAModelIsThatFromItsSavedLogits) {
  ScratchFolder folder;
  const std::string logits = (folder / "logits.npy").string();
  const auto eval = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"eval", stories(), "--tokens", "256", "--context", "64", "--json"});
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out;
  };
  eval({"--save-logits", logits});
  const auto measures = [](const std::string& json) {
    const size_t begin = json.find("\"perplexity_increase\"");
    EXPECT_NE(begin, std::string::npos) << json;
    return json.substr(begin, json.find("\"seconds\"") - begin);
  };
  const std::string saved = measures(eval({"--format", "int4_g32", "--against", logits}));
  EXPECT_EQ(measures(eval({"--format", "int4_g32", "--against", stories()})), saved);
  EXPECT_EQ(saved.find("\"kl_mean\": {\n    \"value\": 0.0,"), std::string::npos) << saved;
}

TEST(EndToEnd, SavedLogitsOfOtherWindowsAreRefused) {
  ScratchFolder folder;
  const std::string logits = (folder / "logits.npy").string();
  ASSERT_EQ(
      farthing({"eval", stories(), "--save-logits", logits, "--tokens", "128", "--context", "64"})
          .status,
      0);
  const ProgramRun run =
      farthing({"eval", stories(), "--against", logits, "--tokens", "128", "--context", "32"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("not of these windows"), std::string::npos) << run.err;
}

TEST(EndToEnd, EvalWorksInAnyFolder) {
  ScratchFolder folder;
  const ProgramRun run = farthing({"eval", stories(), "--tokens", "64", "--context", "64"},
                                  {.input = {}, .environment = {}, .folder = folder.path()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("perplexity"), std::string::npos);
}

TEST(EndToEnd, AWindowLongerThanTheContextIsAnError) {
  const ProgramRun run = farthing({"eval", stories(), "--context", "513"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("use --context 512"), std::string::npos) << run.err;
}

TEST(EndToEnd, TheForcedInstructionSetIsTheOneThatRuns) {
  for (const Isa isa : supported_isas()) {
    const ProgramRun run =
        farthing({"kernels", stories(), "--format", "int4_g32@int8_block32"},
                 {.input = {},
                  .environment = {{"FARTHING_FORCE_ISA", std::string(isa_name(isa))}},
                  .folder = {}});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("dot_" + std::string(isa_name(isa))), std::string::npos) << run.out;
    EXPECT_NE(run.out.find("FARTHING_FORCE_ISA asks for these instructions"), std::string::npos)
        << run.out;
  }
}

TEST(EndToEnd, StrictRefusesTheFallbackThatItWouldTakeOtherwise) {
  ScratchFolder folder;
  // down_proj has k = 172, no multiple of q4_0's block of 32.
  const ProgramRun strict = farthing(
      {"quantize", stories(), "-o", (folder / "strict").string(), "--format", "q4_0", "--strict"});
  EXPECT_EQ(strict.status, 1);
  EXPECT_NE(strict.err.find("down_proj"), std::string::npos) << strict.err;
  EXPECT_TRUE(folder.names().empty());
  const ProgramRun lenient =
      farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format", "q4_0"});
  EXPECT_EQ(lenient.status, 0) << lenient.err;
  EXPECT_NE(lenient.out.find("stored as f16: model.layers.0.mlp.down_proj.weight"),
            std::string::npos)
      << lenient.out;
}

// It may be measured; what promises equal bits refuses it.
TEST(BatchDependentScheme, IsMeasuredButNeitherTrainedNorServed) {
  ScratchFolder folder;
  const std::string scheme = "int4_g32@int8_tensor", model = (folder / "q").string();
  const ProgramRun quantize = farthing({"quantize", stories(), "-o", model, "--format", scheme});
  EXPECT_EQ(quantize.status, 0) << quantize.err;
  EXPECT_NE(quantize.out.find("note: " + scheme), std::string::npos);
  const ProgramRun eval = farthing({"eval", model, "--tokens", "128", "--context", "64"});
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_NE(eval.out.find("note: " + scheme), std::string::npos);
  write_all(folder / "recipe.toml",
            "mode = \"qat\"\n[quantization]\nscheme = \"" + scheme + "\"\n");
  const std::string text = FARTHING_SOURCE_DIR "/data/tinystories/eval.txt";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"run", model, "-p", "Once"},
        {"run", stories(), "--format", scheme, "-p", "Once"},
        {"bench", "offline", model, "--num-prompts", "1"},
        {"align", model, "--tokens", "64", "--context", "32"},
        {"align", stories(), "--against", model, "--tokens", "64", "--context", "32"},
        {"train", stories(), "--recipe", (folder / "recipe.toml").string(), "--data", text, "-o",
         (folder / "run").string()}}) {
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 1) << arguments[0];
    EXPECT_NE(run.err.find(scheme), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("depend on the batch"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("int4_g32@int8_token"), std::string::npos) << run.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

}  // namespace
}  // namespace farthing
