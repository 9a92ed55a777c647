// Every command runs a model with the KV cache that it brings, unless another one is asked for.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/support/program.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

class KvCacheOfCommands : public ::testing::Test {
 protected:
  KvCacheOfCommands() {
    const ProgramRun run =
        farthing({"quantize", stories(), "-o", model_, "--format", "int4_g32", "--kv-cache-dtype",
                  "int8_static", "--kv-cache-range", "mse", "--num-calibration-samples", "2",
                  "--max-seq-length", "64", "--json"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("\"kv_cache_dtype\": \"int8_static\""), std::string::npos) << run.out;
  }
  nlohmann::json json_of(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out, nullptr, false);
  }
  ScratchFolder folder_;
  const std::string model_ = (folder_ / "model").string();
};

TEST_F(KvCacheOfCommands, IsTheModelsWithoutAFlagAndAuto) {
  const std::vector<std::string> eval{"eval", model_, "--tokens", "256", "--context", "128"};
  const std::vector<std::string> bench{"bench", model_, "-p", "8", "-n", "2", "-r", "1"};
  const std::vector<std::string> offline{
      "bench", "offline", model_, "--num-prompts", "2", "--input-len", "5", "--output-len", "2"};
  for (const auto& command : {eval, bench, offline}) {
    EXPECT_EQ(json_of(command)["kv_cache_dtype"], "int8_static") << command[1];
    for (const auto& [flag, name] : {std::pair{"auto", "int8_static"}, std::pair{"f32", "f32"},
                                     std::pair{"bfloat16", "bf16"}}) {
      auto with_flag = command;
      with_flag.insert(with_flag.end(), {"--kv-cache-dtype", flag});
      EXPECT_EQ(json_of(with_flag)["kv_cache_dtype"], name);
    }
  }
}

// A KV cache that another program's files state, and that is not read: quantizing says so too.
TEST(StatedKvCacheOfCommands, IsNamedAsNotRead) {
  const ScratchFolder folder;
  std::filesystem::copy(FARTHING_SOURCE_DIR
                        "/tests/model/data/dialects/compressed_tensors_w4a16_g32",
                        folder / "model");
  const std::string field = "\"kv_cache_scheme\": ";
  std::string text = read_all(folder / "model/config.json");
  text.replace(text.find(field + "null"), field.size() + 4,
               field + R"({"num_bits": 8, "type": "float", "strategy": "tensor"})");
  write_all(folder / "model/config.json", text);
  const ProgramRun run = farthing({"quantize", (folder / "model").string(), "--format", "int4_g32",
                                   "-o", (folder / "out").string()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.err.find("note: the files want a KV cache that is float of 8 bits"),
            std::string::npos)
      << run.err;
}

TEST_F(KvCacheOfCommands, OfEvalChangesWhatIsMeasured) {
  const std::vector<std::string> eval{"eval", model_, "--tokens", "256", "--context", "128"};
  auto f32 = eval;
  f32.insert(f32.end(), {"--kv-cache-dtype", "f32"});
  EXPECT_NE(json_of(eval)["perplexity"]["value"], json_of(f32)["perplexity"]["value"]);
}

TEST_F(KvCacheOfCommands, OfRunIsAFunctionOfTheModel) {
  const auto log_probabilities = [&](std::vector<std::string> more) {
    std::vector<std::string> run{"run", model_, "-p", "Once", "-n", "12", "--temp", "0"};
    run.insert(run.end(), more.begin(), more.end());
    return json_of(run)["logprobs"];
  };
  const auto own = log_probabilities({});
  EXPECT_EQ(own, log_probabilities({"--kv-cache-dtype", "int8_static", "--threads", "1"}));
  EXPECT_NE(own, log_probabilities({"--kv-cache-dtype", "f32"}));
}

TEST_F(KvCacheOfCommands, OfAlignIsTheSameInTrainingAndServing) {
  const auto json = json_of({"align", model_, "--tokens", "128", "--context", "64"});
  EXPECT_EQ(json["kv_cache"], "int8_static");
  for (const auto& pair : json["pairs"]) EXPECT_EQ(pair["equal_bits"], true);
}

TEST_F(KvCacheOfCommands, OfCompareIsNamed) {
  const ProgramRun run = farthing({"compare", model_, "--formats", "int8_row", "--tokens", "128",
                                   "--context", "64", "-p", "8", "-n", "2"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("cached as int8_static"), std::string::npos) << run.out;
}

TEST_F(KvCacheOfCommands, IsTrainedServedAndExported) {
  write_all(folder_ / "recipe.toml",
            "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\n[schedule]\nsteps = 2\n"
            "[data]\nbatch_tokens = 128\n[serve]\nprompts = [\"Once\"]\nmax_tokens = 3\n"
            "[align]\ntokens = 64\ncontext = 32\n");
  const std::string text = FARTHING_SOURCE_DIR "/data/tinystories/eval.txt";
  const auto json = json_of({"train", model_, "--recipe", (folder_ / "recipe.toml").string(),
                             "--data", text, "-o", (folder_ / "run").string()});
  EXPECT_EQ(json["alignment"]["equal_bits"], true);
  EXPECT_EQ(json["alignment"]["max"], 0);
  const auto eval =
      json_of({"eval", (folder_ / "run" / "model").string(), "--tokens", "128", "--context", "64"});
  EXPECT_EQ(eval["kv_cache_dtype"], "int8_static");
}

// 5 blocks bring 4 scales for keys and 4 for values each, which are no parameters.
TEST_F(KvCacheOfCommands, HasScalesThatAreNoParameters) {
  const auto with = json_of({"inspect", model_}), without = json_of({"inspect", stories()});
  EXPECT_EQ(with["parameters"], without["parameters"]);
  EXPECT_EQ(with["tensors"].size(), without["tensors"].size() + 2 * 5);
  const ProgramRun run = farthing({"inspect", model_});
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.out.find("260,032 parameters"), std::string::npos) << run.out;
}

TEST(KvCacheWithoutScales, IsAnErrorThatNamesTheCommand) {
  const std::vector<std::vector<std::string>> commands{
      {"eval", stories(), "--tokens", "128", "--context", "64"},
      {"run", stories(), "-p", "Once", "-n", "2"},
      {"bench", stories(), "-p", "8", "-n", "2", "-r", "1"},
      {"align", stories(), "--tokens", "128", "--context", "64"}};
  for (const auto& command : commands) {
    auto arguments = command;
    arguments.insert(arguments.end(), {"--kv-cache-dtype", "int8_static"});
    const ProgramRun run = farthing(arguments);
    EXPECT_EQ(run.status, 1) << command[0];
    EXPECT_NE(run.err.find("farthing quantize MODEL --format SCHEME --kv-cache-dtype int8_static"),
              std::string::npos)
        << run.err;
  }
}

TEST(KvCacheWithoutScales, HasNoRangeToChoose) {
  ScratchFolder folder;
  const ProgramRun run = farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format",
                                   "int4_g32", "--kv-cache-range", "mse"});
  EXPECT_EQ(run.status, 2);
  EXPECT_NE(run.err.find("--kv-cache-dtype int8_static"), std::string::npos) << run.err;
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace farthing
