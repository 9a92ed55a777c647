// --json of every command: one valid JSON document on standard output, with the facts that the text
// shows.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/command_line.h"
#include "apps/support/program.h"
#include "base/support/scratch_folder.h"
#include "formats/format.h"
#include "kernels/matmul/matmul.h"

namespace farthing {
namespace {

nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const ProgramRun run = farthing(arguments);
  EXPECT_EQ(run.status, 0) << run.err;
  auto json = nlohmann::json::parse(run.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << run.out;
  return json;
}

TEST(Json, FormatsListsTheRegistry) {
  const auto json = json_of({"formats"});
  ASSERT_EQ(json.size(), all_formats().size());
  for (size_t i = 0; i < json.size(); ++i) {
    const Format& format = all_formats()[i];
    EXPECT_EQ(json[i]["name"], format.name);
    EXPECT_EQ(json[i]["bits_per_weight"], bits_per_weight(format, 4096, 4096));
    EXPECT_EQ(json[i]["source"], format.source);
    ASSERT_EQ(json[i]["activations"].size(), std::size(all_activations)) << format.name;
    for (const auto& activations : json[i]["activations"]) {
      EXPECT_EQ(activations["batch_invariant"], activations["name"] != "int8_tensor" &&
                                                    activations["name"] != "int8_outliers_live");
      const auto known = find_activations(std::string(activations["name"])).value();
      const bool int8 = activation_codes(known) == ActivationCodes::int8;
      EXPECT_EQ(activations["product"], int8 && has_int8_product(format) ? "int8" : "f32");
    }
  }
}

TEST(Json, KernelsListsEveryKernelOfTheMatrixProduct) {
  const auto json = json_of({"kernels"});
  std::vector<std::string> listed;
  for (const auto& kernel : json["kernels"])
    if (kernel["operation"] == "matmul") listed.push_back(kernel["name"]);
  std::vector<std::string> known;
  for (const MatmulKernel& kernel : matmul_kernels()) known.emplace_back(kernel.name);
  EXPECT_EQ(listed, known);
}

TEST(Json, KernelsOfAModelCountsEachLinearOnce) {
  const auto json = json_of({"kernels", stories(), "--format", "int4_g32"});
  int64_t linears = 0;
  for (const auto& layer : json["layers"]) linears += layer["count"].get<int64_t>();
  EXPECT_EQ(linears, 5 * 7 + 1);  // five blocks of seven, and the head
}

TEST(Json, InspectCountsParametersAndRanges) {
  const auto json = json_of({"inspect", stories(), "--ranges"});
  EXPECT_EQ(json["config"]["hidden_size"], 64);
  int64_t parameters = 0, vanished = 0;
  for (const auto& tensor : json["tensors"]) {
    int64_t values = 1;
    for (const auto& size : tensor["shape"]) values *= size.get<int64_t>();
    parameters += values;
    vanished += tensor["ranges"]["fp8_e4m3"]["vanished"].get<int64_t>();
    EXPECT_LE(tensor["minimum"], tensor["maximum"]);
  }
  EXPECT_EQ(json["parameters"], parameters);
  EXPECT_EQ(json["ranges"]["fp8_e4m3"]["vanished"], vanished);
  EXPECT_GT(vanished, 0);
}

TEST(Json, TasksHoldsEachMetricItsDropAndItsFlips) {
  const auto json = json_of({"tasks", stories(), "--tasks", "arc_easy,boolq", "--limit", "8",
                             "--format", "int4_g32", "--against", stories()});
  EXPECT_EQ(json["format"], "int4_g32");
  ASSERT_EQ(json["tasks"].size(), 2u);
  const auto& arc = json["tasks"][0];
  EXPECT_EQ(arc["task"], "arc_easy");
  EXPECT_EQ(arc["questions"], 8);
  ASSERT_EQ(arc["metrics"].size(), 2u);
  EXPECT_EQ(arc["metrics"][1]["metric"], "acc_norm");
  for (const auto& metric : arc["metrics"]) {
    EXPECT_LE(metric["value"]["low"], metric["value"]["high"]);
    const double flips = metric["flips"]["lost"].get<int>() + metric["flips"]["gained"].get<int>();
    EXPECT_EQ(metric["flips"]["share"], flips / 8);
    EXPECT_TRUE(metric["drop"]["value"].is_number());
  }
}

TEST(Json, PlanHoldsMemoryByItsPartsAndCards) {
  const auto json = json_of({"plan", stories(), "--format", "int4_g32", "--batch", "2"});
  EXPECT_EQ(json["context"], 512);
  const auto& memory = json["memory"];
  // 8 pages of 64 positions; 5 layers of 4 heads of 8, keys and values in f32
  EXPECT_EQ(memory["kv_cache_bytes"], 2 * 512 * 5 * 4 * 8 * 2 * 4 * 33 / 32);
  EXPECT_GT(memory["peak_bytes"], memory["kv_cache_bytes"]);
  int64_t stored = 0;
  for (const auto& layer : json["layers"]) stored += layer["stored_bytes"].get<int64_t>();
  EXPECT_GT(json["stored_bytes"], stored);
  EXPECT_EQ(json["cards"]["fits"][0]["fits"], true);
  EXPECT_EQ(json["cards"]["fits"][0]["most_context"], 512);
}

TEST(Json, PlanHoldsWhatQuantizingTakes) {
  const auto json = json_of({"plan", stories(), "--format", "int4_g32", "--method", "imatrix",
                             "--num-calibration-samples", "3", "--max-seq-length", "64"});
  EXPECT_EQ(json["quantize"]["method"], "imatrix");
  EXPECT_EQ(json["quantize"]["calibration_tokens"], 192);
  EXPECT_GT(json["quantize"]["peak_bytes"], json["quantize"]["memory_bytes"]);
}

TEST(Json, PlanHoldsWhatTrainingTakes) {
  const auto json =
      json_of({"plan", stories(), "--train", FARTHING_SOURCE_DIR "/recipes/int4_qat.toml"});
  EXPECT_EQ(json["train"]["parameters"], 260032);
  EXPECT_EQ(json["train"]["tokens"], 2048);
  EXPECT_EQ(json["train"]["state_bytes"], 3 * 4 * 260032);
}

TEST(Json, QuantizeReportsEveryLinear) {
  ScratchFolder folder;
  const auto json =
      json_of({"quantize", stories(), "-o", (folder / "q").string(), "--format", "int4_g32"});
  EXPECT_EQ(json["layers"].size(), 35u);
  EXPECT_LT(json["bytes_after"], json["bytes_before"]);
  EXPECT_EQ(json["scheme"], "int4_g32");
}

TEST(Json, EvalStatesItsProtocol) {
  const auto json = json_of({"eval", stories(), "--tokens", "300", "--context", "128"});
  EXPECT_EQ(json["windows"], 2);
  EXPECT_EQ(json["context"], 128);
  EXPECT_EQ(json["stride"], 128);
  EXPECT_EQ(json["bos"], false);
  EXPECT_EQ(json["scored_tokens"], 2 * 127);
  EXPECT_LE(json["perplexity"]["low"], json["perplexity"]["value"]);
}

TEST(Json, CompareHasARowForEachFormat) {
  const auto json = json_of(
      {"compare", stories(), "--formats", "f16,int8_row", "--tokens", "256", "--context", "128"});
  EXPECT_EQ(json["rows"].size(), 2u);
}

TEST(Json, RunHoldsTheTokensThatMakeTheText) {
  const auto json =
      json_of({"run", stories(), "-p", "Once upon a time", "-n", "12", "--temp", "0"});
  EXPECT_EQ(json["tokens"].size(), 12u);
  EXPECT_EQ(json["logprobs"].size(), 12u);
  EXPECT_EQ(json["finish"], "most_tokens");
  for (const auto& log_probability : json["logprobs"]) EXPECT_LE(log_probability, 0);
}

TEST(Json, BenchCountsTokensASecond) {
  const auto json =
      json_of({"bench", stories(), "-p", "40", "-n", "5", "-r", "1", "--format", "q8_0"});
  EXPECT_EQ(json["prompt_tokens"], 40);
  EXPECT_EQ(json["decode_tokens"], 5);
  EXPECT_EQ(json["format"], "q8_0");
  EXPECT_GT(json["prompt_tokens_per_second"], 0);
  EXPECT_GT(json["decode_tokens_per_second"], 0);
}

TEST(Json, BenchHasBothSpeeds) {
  const auto json = json_of({"bench", stories(), "-p", "16", "-n", "4", "-r", "1"});
  EXPECT_EQ(json["prompt_tokens"], 16);
  EXPECT_EQ(json["decode_tokens"], 4);
  EXPECT_GT(json["prompt_tokens_per_second"], 0);
  EXPECT_GT(json["decode_tokens_per_second"], 0);
}

TEST(Json, TrainHasALineForEachStep) {
  ScratchFolder folder;
  std::ofstream(folder / "recipe.toml") << "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\n"
                                           "[schedule]\nsteps = 3\n[data]\nbatch_tokens = 64\n";
  const auto json =
      json_of({"train", stories(), "--recipe", (folder / "recipe.toml").string(), "--data",
               FARTHING_SOURCE_DIR "/data/tinystories/eval.txt", "-o", (folder / "run").string()});
  EXPECT_EQ(json["steps"].size(), 3u);
  EXPECT_EQ(json["steps"][2]["step"], 3);
  EXPECT_EQ(json["model"], (folder / "run" / "model").string());
}

TEST(Json, AlignFindsNoDifferenceBetweenTrainingAndServing) {
  const auto json = json_of({"align", stories(), "--tokens", "256", "--context", "64"});
  EXPECT_GE(json["pairs"].size(), 6u);
  for (const auto& pair : json["pairs"]) {
    EXPECT_EQ(pair["max"], 0.0);
    EXPECT_EQ(pair["equal_bits"], true);
    EXPECT_EQ(pair["operators_compared"], true);
    EXPECT_TRUE(pair["first_operator"].is_null());
  }
}

TEST(Align, FailsBeyondTheBoundAndSucceedsWithinIt) {
  ScratchFolder folder;
  ASSERT_EQ(
      farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format", "q8_0"}).status,
      0);
  const auto align = [&](const std::string& bound) {
    return farthing({"align", stories(), "--against", (folder / "q").string(), "--tokens", "256",
                     "--context", "64", "--bound", bound})
        .status;
  };
  EXPECT_EQ(align("0"), 1);
  EXPECT_EQ(align("1"), 0);
}

TEST(Align, WritesItsReportAlsoBeyondTheBound) {
  ScratchFolder folder;
  ASSERT_EQ(
      farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format", "q8_0"}).status,
      0);
  EXPECT_EQ(farthing({"align", stories(), "--against", (folder / "q").string(), "--tokens", "256",
                      "--context", "64", "--report", (folder / "align.html").string()})
                .status,
            1);
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"align.html", "q"}));
}

TEST(Json, BenchOfflineHasThroughputAndLatencies) {
  const auto json = json_of({"bench", "offline", stories(), "--num-prompts", "6", "--input-len",
                             "20", "--output-len", "5"});
  EXPECT_GT(json["output_tokens_per_second"], 0) << json.dump();
}

TEST(Json, TokenizeHoldsIdsAndTokens) {
  const auto json = json_of({"tokenize", stories(), "-p", "Once upon"});
  EXPECT_EQ(json["kind"], "BPE");
  EXPECT_EQ(json["vocabulary_size"], 512);
  EXPECT_EQ(json["bytes"], 9);
  EXPECT_EQ(json["count"], json["ids"].size());
  EXPECT_EQ(json["tokens"].size(), json["ids"].size());
  EXPECT_EQ(json["ids"][0], 1);
  EXPECT_EQ(json["tokens"][0], "<s>");
  EXPECT_EQ(json_of({"tokenize", stories(), "--decode", "403,407"})["text"], "Once upon");
}

TEST(Json, SensitivityHoldsEachPartsCostsAndTheRecipe) {
  const auto json =
      json_of({"sensitivity", stories(), "--by", "kind", "--formats", "int4_g32,int8_g32",
               "--tokens", "128", "--context", "64", "--target-bits", "5"});
  ASSERT_EQ(json["parts"].size(), 7u);
  EXPECT_EQ(json["formats"].size(), 2u);
  for (const auto& part : json["parts"]) {
    EXPECT_EQ(part["kl"].size(), 2u);
    EXPECT_GT(part["kl"][0], part["kl"][1]);
    EXPECT_LT(part["bytes"][0], part["bytes"][1]);
  }
  EXPECT_LE(json["bits_per_weight"], 5);
  EXPECT_NE(std::string(json["recipe"]).find("method = \"gptq\""), std::string::npos);
}

TEST(Json, QuantizeHoldsOutputErrorsOfGptq) {
  ScratchFolder folder;
  const auto json = json_of({"quantize", stories(), "--format", "int4_g32", "--method", "gptq",
                             "--num-calibration-samples", "4", "--max-seq-length", "64", "-o",
                             (folder / "q").string()});
  EXPECT_EQ(json["method"], "gptq");
  for (const auto& layer : json["layers"]) {
    EXPECT_LT(layer["output_error"], layer["output_error_before"]) << layer["name"];
    EXPECT_EQ(layer["calibration_tokens"], 256);
  }
}

TEST(Json, QuantizeSaysHowChannelsWereRescaled) {
  ScratchFolder folder;
  const auto json =
      json_of({"quantize", stories(), "--format", "int8_row@int8_token", "--method", "smoothquant",
               "--smoothing-strength", "0.75", "--num-calibration-samples", "2", "--max-seq-length",
               "64", "-o", (folder / "q").string()});
  EXPECT_EQ(json["method"], "smoothquant");
  for (const auto& layer : json["layers"]) {
    const std::string name = layer["name"];
    const bool behind_norm =
        name.find("o_proj") == std::string::npos && name.find("down_proj") == std::string::npos;
    EXPECT_EQ(layer["rescaled"], behind_norm ? 0.75 : 0) << name;
  }
}

TEST(Json, QuantizeSaysHowTheModelWasRotated) {
  ScratchFolder folder;
  const auto json = json_of({"quantize", stories(), "--format", "int4_g32", "--rotate", "r4,r1",
                             "--rotate-seed", "7", "-o", (folder / "q").string()});
  EXPECT_EQ(json["rotation"], "r1,r4");
  EXPECT_EQ(json["rotation_seed"], 7);
}

TEST(Json, ConvertHoldsTheSchemesOfEveryLinear) {
  ScratchFolder folder;
  const std::string from = FARTHING_SOURCE_DIR "/tests/model/data/dialects/gptq_int4_g32",
                    to = (folder / "out").string();
  const auto json = json_of({"convert", from, to, "--to", "awq", "--verify"});
  EXPECT_EQ(json["from"], "gptq");
  EXPECT_EQ(json["to"], "awq");
  EXPECT_EQ(json["verified"], true);
  ASSERT_EQ(json["linears"].size(), 7u);
  EXPECT_EQ(json["linears"][0]["from"], "int4_g32");
  EXPECT_EQ(json["linears"][0]["to"], "int4_g32_asym");
  EXPECT_EQ(json["bytes"], json_of({"inspect", to})["bytes"]);
}

TEST(Json, IsTestedAboveForEveryCommand) {
  const std::set<std::string_view> tested{"formats",     "kernels", "inspect",  "quantize",
                                          "eval",        "compare", "run",      "bench",
                                          "train",       "align",   "tokenize", "bench offline",
                                          "sensitivity", "plan",    "tasks",    "convert"};
  for (const Command& command : all_commands())
    EXPECT_TRUE(tested.contains(command.text.name)) << command.text.name;
}

TEST(Json, TrainHoldsStepsEvaluationsServedTextsAndTheAlignment) {
  ScratchFolder folder;
  write_all(folder / "recipe.toml",
            "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\n[schedule]\nsteps = 4\n"
            "[data]\nbatch_tokens = 256\n[evaluation]\nevery_steps = 2\ntokens = 64\n"
            "[serve]\nprompts = [\"Once\"]\nmax_tokens = 5\n[align]\ntokens = 64\ncontext = 32\n");
  const std::string text = FARTHING_SOURCE_DIR "/data/tinystories/eval.txt";
  const auto json =
      json_of({"train", stories(), "--recipe", (folder / "recipe.toml").string(), "--data", text,
               "--evaluation", text, "-o", (folder / "run").string()});
  ASSERT_EQ(json["steps"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(json["steps"][i]["step"], i + 1);
    EXPECT_EQ(json["steps"][i].contains("evaluation_loss"), i % 2 == 1) << i;
    EXPECT_GT(json["steps"][i]["learning_rate"], 0);
  }
  EXPECT_EQ(json["evaluation_loss"], json["steps"][3]["evaluation_loss"]);
  EXPECT_NE(json["evaluation_loss_before"], json["evaluation_loss"]);
  EXPECT_EQ(json["model"], (folder / "run" / "model").string());
  EXPECT_TRUE(std::filesystem::exists(std::string(json["report"])));
  EXPECT_GT(json["model_bytes"], 200'000);
  EXPECT_EQ(json["served"][0]["prompt"], "Once");
  EXPECT_EQ(json["served"][0]["tokens"], 5);
  EXPECT_EQ(json["alignment"]["equal_bits"], true);
  EXPECT_EQ(json["alignment"]["max"], 0);
}

}  // namespace
}  // namespace farthing
