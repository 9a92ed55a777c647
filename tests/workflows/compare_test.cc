// Tests of whole comparisons on the small model of the repository.
#include "workflows/compare/compare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace farthing {
namespace {
namespace fs = std::filesystem;

class CompareTest : public testing::Test {
 protected:
  CompareTest()
      : folder_(fs::temp_directory_path() /
                ("farthing_compare_test_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    options_.model = FARTHING_SOURCE_DIR "/models/stories260k";
    options_.formats = {"f16", "int8_row", "int4_g32@int8_block32"};
    options_.windows = {.tokens = 512, .context = 128};
    options_.speed = {.prompt_tokens = 16, .decode_tokens = 4, .runs = 1};
  }
  ~CompareTest() override { fs::remove_all(folder_); }

  Result<CompareReport> run(int threads = 2) {
    ContextOwner context(threads, supported_isas().back());
    NoProgress progress;
    return compare(context.get(), options_, progress);
  }

  // A copy of the model in which one weight is 1e6: too large for f16, not for a row's scale.
  fs::path model_with_a_large_weight() {
    const fs::path copy = folder_ / "model";
    fs::copy(options_.model, copy, fs::copy_options::recursive);
    std::fstream file(copy / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    uint64_t header_bytes = 0;
    file.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
    std::string header(header_bytes, ' ');
    file.read(header.data(), static_cast<std::streamsize>(header_bytes));
    const size_t tensor = header.find("model.layers.0.mlp.up_proj.weight");
    EXPECT_NE(header.find("\"F32\"", tensor), std::string::npos);
    const size_t offsets = header.find("data_offsets", tensor);
    const uint64_t begin = std::stoull(header.substr(header.find('[', offsets) + 1));
    const float large = 1e6f;
    file.seekp(static_cast<std::streamoff>(8 + header_bytes + begin));
    file.write(reinterpret_cast<const char*>(&large), sizeof large);
    return copy;
  }

  std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder))
      out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  fs::path folder_;
  CompareOptions options_;
};

TEST_F(CompareTest, ASchemeThatDependsOnTheBatchIsMeasuredWhenAskedForAndNoted) {
  for (const std::string& name : default_schemes())
    EXPECT_TRUE(batch_invariant(parse_scheme(name)->activations)) << name;
  EXPECT_TRUE(run()->notes.empty());
  options_.formats = {"int4_g32@int8_tensor"};
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->rows[0].error, "");
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_NE(report->notes[0].find("int4_g32@int8_tensor"), std::string::npos);
}

TEST_F(CompareTest, TheThresholdOfOutliersIsThatOfTheCommand) {
  options_.formats = {"int8_row@int8_outliers"};
  const auto by_default = run();
  options_.outlier_threshold = 2.5f;
  const auto lower = run();
  ASSERT_TRUE(by_default && lower) << lower.error().text();
  EXPECT_EQ(by_default->recommendation.command.find("--outlier-threshold"), std::string::npos);
  EXPECT_NE(lower->recommendation.command.find(" --outlier-threshold 2.5 "), std::string::npos)
      << lower->recommendation.command;
  EXPECT_NE(by_default->rows[0].quality.kl_mean.value, lower->rows[0].quality.kl_mean.value);
}

TEST_F(CompareTest, MeasuresEveryFormatAgainstTheUnquantizedModel) {
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  ASSERT_EQ(report->rows.size(), 3u);
  const CompareRow &f16 = report->rows[0], &int8 = report->rows[1], &int4 = report->rows[2];
  EXPECT_EQ(int4.scheme, "int4_g32@int8_block32");
  EXPECT_EQ(report->protocol.windows, 4);
  EXPECT_EQ(report->baseline.bits_per_weight, 32);
  EXPECT_EQ(f16.bits_per_weight, 16);
  EXPECT_GT(f16.bytes, int8.bytes);
  EXPECT_GT(int8.bytes, int4.bytes);
  // Rounding to 11, 8 and 4 bits: each step loses at least ten times more.
  EXPECT_GT(f16.quality.kl_mean.value, 0);
  EXPECT_GT(int8.quality.kl_mean.value, 10 * f16.quality.kl_mean.value);
  EXPECT_GT(int4.quality.kl_mean.value, 10 * int8.quality.kl_mean.value);
  for (const CompareRow& row : report->rows) {
    EXPECT_TRUE(row.error.empty());
    EXPECT_EQ(row.layers.size(), 35u);  // 5 blocks of 7 linears
    EXPECT_GT(row.speed.decode.median, 0);
    EXPECT_GT(row.peak_memory_bytes, row.bytes);
    EXPECT_LE(row.quality.kl_mean.low, row.quality.kl_mean.value);
    EXPECT_GE(row.quality.kl_mean.high, row.quality.kl_mean.value);
  }
}

TEST_F(CompareTest, QualityIsTheSameWithAnyNumberOfThreads) {
  const auto one = run(1), three = run(3);
  ASSERT_TRUE(one);
  ASSERT_TRUE(three);
  for (size_t i = 0; i < one->rows.size(); ++i) {
    EXPECT_EQ(one->rows[i].quality.perplexity.value, three->rows[i].quality.perplexity.value);
    EXPECT_EQ(one->rows[i].quality.kl_mean.value, three->rows[i].quality.kl_mean.value);
    EXPECT_EQ(one->rows[i].quality.kl_p99.high, three->rows[i].quality.kl_p99.high);
  }
}

TEST_F(CompareTest, WritesTwoFilesAndLeavesOthersAlone) {
  options_.output = folder_ / "out/";
  fs::create_directories(folder_ / "out");
  std::ofstream(folder_ / "out/mine.txt") << "mine";
  ASSERT_TRUE(run());
  EXPECT_EQ(names_in(folder_ / "out"),
            (std::vector<std::string>{"mine.txt", "report.html", "report.json"}));
}

TEST_F(CompareTest, AFormatThatFailsKeepsTheOthers) {
  options_.model = model_with_a_large_weight();
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_NE(report->rows[0].error.find("too large for f16"), std::string::npos)
      << report->rows[0].error;
  EXPECT_TRUE(report->rows[1].error.empty()) << report->rows[1].error;
  EXPECT_NE(report->recommendation.name, "f16");
}

TEST_F(CompareTest, WhenAllFailNothingIsLeft) {
  options_.model = model_with_a_large_weight();
  options_.formats = {"f16"};
  options_.output = folder_ / "a/b";
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().got.find("too large for f16"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "a/b"));
}

TEST_F(CompareTest, TheCommandQuotesTheModelAndKeepsTheOptions) {
  const fs::path copy = folder_ / "it's a model";
  fs::copy(options_.model, copy, fs::copy_options::recursive);
  options_.model = copy;
  options_.formats = {"int8_row@int8_block32"};
  options_.scale_rule = ScaleRule::narrow;
  options_.tables = "q8_0";
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(
      report->recommendation.command,
      "farthing quantize '" + folder_.string() +
          "/it'\\''s a model' --format int8_row@int8_block32 --scale-rule narrow --tables q8_0 -o "
          "int8_row-int8_block32");
}

TEST_F(CompareTest, WrongNamesAreRefusedBeforeAnythingIsMade) {
  options_.output = folder_ / "out";
  options_.formats = {"int7_g7"};
  EXPECT_FALSE(run());
  options_.formats = {"int8_row"};
  options_.methods = {"magic"};
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().got, "magic");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(CompareTest, AnOutputThatIsAFileIsRefusedFirst) {
  std::ofstream(folder_ / "file") << "x";
  options_.output = folder_ / "file";
  EXPECT_FALSE(run());
}

TEST_F(CompareTest, AContextBeyondTheModelsIsRefused) {
  options_.windows.context = 1 << 19;
  options_.windows.tokens = 1 << 19;
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().what.find("longer than the model's context"), std::string::npos);
}

TEST_F(CompareTest, MethodsThatSeeInputsDoBetterAndLeaveNothing) {
  options_.formats = {"int3_g32"};
  options_.methods = {"rtn", "imatrix", "gptq"};
  options_.calibration = {.samples = 16, .context = 128};
  options_.output = folder_ / "report";
  const auto report = run();
  ASSERT_TRUE(report.has_value()) << report.error().text();
  ASSERT_EQ(report->rows.size(), 3u);
  for (const CompareRow& row : report->rows) EXPECT_EQ(row.error, "");
  EXPECT_LT(report->rows[1].quality.kl_mean.value, report->rows[0].quality.kl_mean.value);
  EXPECT_LT(report->rows[2].quality.kl_mean.value, report->rows[1].quality.kl_mean.value);
  EXPECT_EQ(names_in(folder_), (std::vector<std::string>{"report"}));
  EXPECT_EQ(names_in(folder_ / "report"), (std::vector<std::string>{"report.html", "report.json"}));
}

TEST_F(CompareTest, SaysWhatStaticActivationsWereCalibratedOn) {
  options_.formats = {"int8_row@int8_static", "fp8_e4m3_row@fp8_e4m3_static", "int8_row"};
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  for (const CompareRow& row : report->rows) EXPECT_EQ(row.error, "") << row.scheme;
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_NE(report->notes[0].find("calibrated on 4096 tokens of WikiText-2"), std::string::npos)
      << report->notes[0];
}

TEST_F(CompareTest, SaysThatAModelWasMovedOffItsGrid) {
  fs::copy(options_.model, folder_ / "model", fs::copy_options::recursive);
  options_.model = folder_ / "model";
  options_.formats = {"int8_row"};
  ASSERT_TRUE(run());
  EXPECT_TRUE(run()->notes.empty());
  std::ofstream(folder_ / "model/farthing-offgrid.json") << "{}";
  const auto report = run();
  ASSERT_TRUE(report);
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_NE(report->notes[0].find("off the 4-bit grid"), std::string::npos);
}

TEST(ListOfSchemes, AllIsEveryFormatButF32) {
  const auto all = schemes_of_list({"all"});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), all_formats().size() - 1);
  EXPECT_TRUE(std::all_of(all->begin(), all->end(), [](const Scheme& scheme) {
    return scheme.activations == scheme.weights->default_activations;
  }));
}

TEST(ListOfSchemes, AllWithActivationsIsEveryFormatWithThem) {
  const auto all = schemes_of_list({"all@int8_token", "f16"});
  ASSERT_TRUE(all);
  for (const Scheme& scheme : std::span(*all).first(all->size() - 1))
    EXPECT_EQ(scheme.activations, Activations::int8_token);
  EXPECT_EQ(all->back().name(), "f16");
  EXPECT_FALSE(schemes_of_list({"all@int9"}));
}

TEST(DefaultSchemes, AreWeightsOnlyAndWith8BitActivations) {
  const auto schemes = default_schemes();
  const auto has = [&](const char* name) {
    return std::count(schemes.begin(), schemes.end(), name) == 1;
  };
  EXPECT_TRUE(has("f16") && has("int4_g128") && has("int4_g128@int8_block32") && has("q4_0"));
  EXPECT_TRUE(has("fp8_e4m3_row") && has("mxfp4") && has("nvfp4") && has("nf4") && has("q4_k"));
  EXPECT_FALSE(has("f32") || has("q4_1") || has("q4_k@int8_block32"));
  EXPECT_LE(schemes.size(), 25u);  // each costs a pass over the text
  for (const std::string& scheme : schemes) EXPECT_TRUE(parse_scheme(scheme)) << scheme;
}

}  // namespace
}  // namespace farthing
