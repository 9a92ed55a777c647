// farthing plan against what the program then takes: within 5 %.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/support/larger_model.h"
#include "apps/support/peak_memory.h"
#include "apps/support/program.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

using Words = std::vector<std::string>;

// Of every test; written once.
class PlanMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder;
    testing::write_larger_model(*folder_ / "m");
  }
  static void TearDownTestSuite() { delete folder_; }
  void SetUp() override {
    if (testing::memory_is_instrumented()) GTEST_SKIP() << "a sanitizer takes memory of its own";
  }

  static std::string model() { return (*folder_ / "m").string(); }
  static nlohmann::json plan(Words arguments) {
    arguments.insert(arguments.begin(), {"plan", model(), "--json", "--threads", "2"});
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out);
  }
  // The plan's peak over the peak of what `arguments` run.
  static double planned_over_taken(const Words& planned, Words arguments) {
    arguments.insert(arguments.end(), {"--threads", "2"});
    const double peak = plan(planned)["memory"]["peak_bytes"];
    return peak / static_cast<double>(testing::peak_anonymous_bytes(arguments));
  }

  static ScratchFolder* folder_;
};
ScratchFolder* PlanMemory::folder_ = nullptr;

// 256 positions fill four pages of the cache: what lies behind the last of others is planned, and
// taken only where the system gives huge pages.
TEST_F(PlanMemory, OfAPromptAsStoredIsTakenWithin5Percent) {
  EXPECT_NEAR(planned_over_taken({"--context", "256", "--max-num-batched-tokens", "252"},
                                 {"bench", model(), "-p", "252", "-n", "4", "-r", "1"}),
              1, 0.05);
}

TEST_F(PlanMemory, OfAPromptInFourBitsIsTakenWithin5Percent) {
  EXPECT_NEAR(planned_over_taken(
                  {"--context", "256", "--max-num-batched-tokens", "252", "--format", "int4_g128"},
                  {"bench", model(), "-p", "252", "-n", "4", "-r", "1", "--format", "int4_g128"}),
              1, 0.05);
}

TEST_F(PlanMemory, OfManyRequestsIsTakenWithin5Percent) {
  // The first request still runs when the last one begins: 8 x 240 tokens in steps of 512.
  EXPECT_NEAR(planned_over_taken({"--context", "255", "--batch", "8", "--format",
                                  "int8_row@int8_token", "--kv-cache-dtype", "f16"},
                                 {"bench", "offline", model(), "--num-prompts", "8",
                                  "--max-num-seqs", "8", "--input-len", "240", "--output-len", "16",
                                  "--format", "int8_row@int8_token", "--kv-cache-dtype", "f16"}),
              1, 0.05);
}

TEST_F(PlanMemory, OfAQuantizedDirectoryIsTakenWithin5Percent) {
  const std::string quantized = (*folder_ / "q").string();
  const ProgramRun run = farthing({"quantize", model(), "--format", "int4_g64", "-o", quantized});
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun planned = farthing({"plan", quantized, "--json", "--context", "256",
                                       "--max-num-batched-tokens", "252", "--threads", "2"});
  ASSERT_EQ(planned.status, 0) << planned.err;
  const double peak = nlohmann::json::parse(planned.out)["memory"]["peak_bytes"];
  const int64_t taken = testing::peak_anonymous_bytes(
      {"bench", quantized, "-p", "252", "-n", "4", "-r", "1", "--threads", "2"});
  EXPECT_NEAR(peak / static_cast<double>(taken), 1, 0.05);
}

TEST_F(PlanMemory, StoredBytesAreThoseOfTheFile) {
  const int64_t stored = plan({})["stored_bytes"];
  const auto file =
      static_cast<int64_t>(std::filesystem::file_size(*folder_ / "m" / "model.safetensors"));
  // gains are counted as they are in memory, in f32: 21 of 768; the header is the rest
  EXPECT_NEAR(static_cast<double>(stored), static_cast<double>(file), 21 * 768 * 2 + 16384);
}

// Of `farthing quantize` of the model, in four bits where `method` says no format.
struct Quantized {
  nlohmann::json plan;
  int64_t memory = 0, disk = 0;
};
Quantized quantize(const std::filesystem::path& folder, const std::string& model,
                   const Words& method) {
  Words planned{"plan", model, "--json", "--threads", "2"};
  Words arguments{"quantize", model, "-o", (folder / "q").string(), "--threads", "2"};
  const bool says_format = std::find(method.begin(), method.end(), "--format") != method.end();
  for (Words* words : {&planned, &arguments}) {
    words->insert(words->end(), method.begin(), method.end());
    if (!says_format) words->insert(words->end(), {"--format", "int4_g128"});
  }
  const ProgramRun run = farthing(planned);
  EXPECT_EQ(run.status, 0) << run.err;
  Quantized out{nlohmann::json::parse(run.out)["quantize"], 0, 0};
  out.memory = testing::peak_anonymous_bytes(arguments);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "q"))
    out.disk += static_cast<int64_t>(entry.file_size());
  return out;
}

double over(const nlohmann::json& planned, int64_t taken) {
  return planned.get<double>() / static_cast<double>(taken);
}

TEST_F(PlanMemory, OfRoundingToADirectoryAndItsBytesAreTakenWithin5Percent) {
  ScratchFolder folder;
  const Quantized q = quantize(folder / "", model(), {"--method", "rtn"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
  EXPECT_EQ(q.plan["work_bytes"], 0);
}

TEST_F(PlanMemory, OfCalibratingACacheIsTakenWithin5Percent) {
  ScratchFolder folder;
  const Quantized q = quantize(folder / "", model(),
                               {"--method", "rtn", "--kv-cache-dtype", "int8_static",
                                "--num-calibration-samples", "2", "--max-seq-length", "256"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
  EXPECT_EQ(q.plan["calibration_tokens"], 512);
  EXPECT_EQ(q.plan["work_bytes"], 2 * 512 * 768 * 4);
}

TEST_F(PlanMemory, OfRotatingAndServingWhatWasRotatedIsTakenWithin5Percent) {
  ScratchFolder folder;
  const Words how{"--method", "rtn", "--rotate", "r1,r2,r3,r4"};
  const Quantized q = quantize(folder / "", model(), how);
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
  Words planned{"--format", "int4_g128", "--context", "256", "--max-num-batched-tokens", "252"};
  planned.insert(planned.end(), how.begin(), how.end());
  EXPECT_NEAR(planned_over_taken(
                  planned, {"bench", (folder / "q").string(), "-p", "252", "-n", "4", "-r", "1"}),
              1, 0.05);
}

TEST_F(PlanMemory, OfCalibratingActivationsIsTakenWithin5Percent) {
  ScratchFolder folder;
  const Quantized q = quantize(folder / "", model(),
                               {"--method", "rtn", "--format", "int8_row@int8_static",
                                "--num-calibration-samples", "2", "--max-seq-length", "256"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
  EXPECT_EQ(q.plan["calibration_tokens"], 512);
  EXPECT_EQ(q.plan["work_bytes"], 2 * 512 * 768 * 4);
}

// A calibration is read through the tokenizer, and much of its memory stays with the allocator.
TEST_F(PlanMemory, OfALargeTokenizerIsTakenWithin5Percent) {
  ScratchFolder folder;
  testing::write_larger_model(folder / "m", 1);
  const auto file = folder / "m" / "tokenizer.json";
  auto tokenizer = nlohmann::json::parse(std::ifstream(file));
  auto& vocabulary = tokenizer["model"]["vocab"];
  // no merge makes them, so that no text has them: the model's table has no rows for them
  for (int i = 0; i < 50'000; ++i) vocabulary["token_" + std::to_string(i)] = 512 + i;
  std::ofstream(file) << tokenizer;
  const Quantized q = quantize(folder / "", (folder / "m").string(),
                               {"--method", "rtn", "--format", "int8_row@int8_static",
                                "--num-calibration-samples", "2", "--max-seq-length", "256"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_GT(q.plan["process_bytes"], 8 << 20);  // without it, 0.6 MB
}

// How much more a model of ten blocks takes than one of two.
int64_t growth(const std::string& ten, const Words& how) {
  ScratchFolder folder;
  testing::write_larger_model(folder / "m", 2);
  const auto taken = [&](const std::string& from) {
    Words arguments{"quantize",
                    from,
                    "-o",
                    (folder / "q").string(),
                    "--threads",
                    "2",
                    "--num-calibration-samples",
                    "2",
                    "--max-seq-length",
                    "256"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    return testing::peak_anonymous_bytes(arguments);
  };
  const int64_t two = taken((folder / "m").string());
  return taken(ten) - two;
}

// The other model's eight blocks more are 26 MB in this format.
TEST_F(PlanMemory, OfCalibratingACacheDoesNotGrowWithTheBlocks) {
  // what the allocator keeps differs from run to run
  EXPECT_LT(growth(model(), {"--format", "int4_g128", "--kv-cache-dtype", "int8_static"}), 4 << 20);
}

// They are 100 MB as they are.
TEST_F(PlanMemory, OfCalibratingActivationsDoesNotGrowWithTheBlocks) {
  EXPECT_LT(growth(model(), {"--format", "int8_row@int8_static"}), 4 << 20);
}

TEST_F(PlanMemory, OfTrainingAndItsFilesAreTakenWithin5Percent) {
  ScratchFolder folder;
  testing::write_larger_model(folder / "m", 1);
  std::ofstream(folder / "recipe.toml")
      << "mode = \"qat\"\n[quantization]\nscheme = \"int4_g128\"\n[schedule]\nsteps = 2\n"
         "[data]\ncontext = 128\nbatch_tokens = 256\n";
  const std::string model = (folder / "m").string(), recipe = (folder / "recipe.toml").string();
  const ProgramRun run = farthing({"plan", model, "--json", "--threads", "2", "--train", recipe});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto planned = nlohmann::json::parse(run.out)["train"];
  const int64_t memory = testing::peak_anonymous_bytes(
      {"train", model, "--threads", "2", "--recipe", recipe, "--data",
       FARTHING_SOURCE_DIR "/data/tinystories/eval.txt", "-o", (folder / "run").string()});
  EXPECT_NEAR(over(planned["peak_bytes"], memory), 1, 0.05);
  const auto bytes_of = [&](const char* file) {
    return static_cast<int64_t>(std::filesystem::file_size(folder / "run" / file));
  };
  EXPECT_NEAR(over(planned["state_bytes"], bytes_of("step-00000002/state.safetensors")), 1, 0.05);
  EXPECT_NEAR(over(planned["exported_bytes"], bytes_of("model/model.safetensors")), 1, 0.05);
}

// Methods that see inputs, on one layer of the same shapes.
class PlanMemoryOfStages : public ::testing::TestWithParam<const char*> {};

TEST_P(PlanMemoryOfStages, IsTakenWithin5Percent) {
  if (testing::memory_is_instrumented()) GTEST_SKIP() << "a sanitizer takes memory of its own";
  ScratchFolder folder;
  testing::write_larger_model(folder / "m", 1);
  const Quantized q = quantize(
      folder / "", (folder / "m").string(),
      {"--method", GetParam(), "--num-calibration-samples", "2", "--max-seq-length", "128"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
  EXPECT_EQ(q.plan["calibration_tokens"], 256);
  EXPECT_GT(q.plan["estimated_seconds"], 0);
}

TEST(PlanMemoryOfRotatedStages, IsTakenWithin5Percent) {
  if (testing::memory_is_instrumented()) GTEST_SKIP() << "a sanitizer takes memory of its own";
  ScratchFolder folder;
  testing::write_larger_model(folder / "m", 1);
  const Quantized q = quantize(folder / "", (folder / "m").string(),
                               {"--method", "gptq", "--rotate", "r1,r2,r4",
                                "--num-calibration-samples", "2", "--max-seq-length", "128"});
  EXPECT_NEAR(over(q.plan["peak_bytes"], q.memory), 1, 0.05);
  EXPECT_NEAR(over(q.plan["output_bytes"], q.disk), 1, 0.05);
}

INSTANTIATE_TEST_SUITE_P(, PlanMemoryOfStages, ::testing::Values("gptq", "imatrix", "smoothquant"));

}  // namespace
}  // namespace farthing
