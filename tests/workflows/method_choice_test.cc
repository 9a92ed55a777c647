// Choosing a method by the calibration's text alone.
#include "workflows/compare/method_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "workflows/compare/compare.h"

namespace farthing {
namespace {

class Auto : public ::testing::Test {
 protected:
  Auto() {
    options_.model = FARTHING_SOURCE_DIR "/models/stories260k";
    options_.formats = {"int3_g32"};
    options_.methods = {"auto"};
    options_.windows = {.tokens = 256, .context = 128};
    options_.speed = {.prompt_tokens = 16, .decode_tokens = 4, .runs = 1};
    options_.calibration.samples = 6;
    options_.calibration.context = 64;
  }
  Result<CompareReport> run() {
    ContextOwner context(2, supported_isas().back());
    NoProgress progress;
    return compare(context.get(), options_, progress);
  }
  // Some of the text that comes with the program, from a byte on.
  std::filesystem::path text(const char* name, size_t from, size_t bytes) {
    const std::string all = read_text_file(FARTHING_SOURCE_DIR "/data/wikitext-2/eval.txt").value();
    std::ofstream(folder_ / name) << all.substr(from, bytes);
    return folder_ / name;
  }

  ScratchFolder folder_;
  CompareOptions options_;
};

TEST_F(Auto, TakesTheLeastKlOfEveryMethodThatSuits) {
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  const CompareRow& row = report->rows.at(0);
  ASSERT_EQ(row.trials.size(), methods_for(parse_scheme("int3_g32").value()).size());
  const auto least = std::min_element(
      row.trials.begin(), row.trials.end(),
      [](const MethodTrial& a, const MethodTrial& b) { return a.kl.value < b.kl.value; });
  EXPECT_EQ(row.method, least->method);
  // Rounding 3 bits to nearest costs several times what a fit does.
  EXPECT_NE(row.method, "rtn");
  EXPECT_LT(least->kl.value, 0.8 * row.trials[0].kl.value);
  EXPECT_NE(report->notes.at(0).find("int3_g32: " + row.method + " was chosen"), std::string::npos);
  EXPECT_NE(report->recommendation.command.find("--method " + row.method), std::string::npos);
}

// Nothing that the trials say depends on the text that the rows are judged on.
TEST_F(Auto, IsBlindToTheTextItIsJudgedOn) {
  options_.text = text("one", 0, 20000);
  const auto one = run();
  options_.text = text("other", 30000, 20000);
  const auto other = run();
  ASSERT_TRUE(one && other);
  ASSERT_NE(one->rows[0].quality.kl_mean.value, other->rows[0].quality.kl_mean.value);
  for (size_t i = 0; i < one->rows[0].trials.size(); ++i)
    EXPECT_EQ(one->rows[0].trials[i].kl.value, other->rows[0].trials[i].kl.value);
}

TEST_F(Auto, RefusesTheTextItIsJudgedOnAndLeavesNothing) {
  options_.text = text("one", 0, 20000);
  options_.calibration.text = options_.text;
  options_.output = folder_ / "out";
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().what, "methods cannot be chosen by the text that they are judged on");
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"one"}));
}

// Rounding to nearest fits nothing, so its trial tells which windows it was judged on: those behind
// the six (some 900 bytes) that the other methods see.
TEST_F(Auto, JudgesOnWhatTheMethodsHaveNotSeen) {
  const std::string all = read_text_file(FARTHING_SOURCE_DIR "/data/wikitext-2/eval.txt").value();
  options_.calibration.text = folder_ / "calibration";
  std::vector<double> rounded;
  for (const size_t tail : {10000, 20000}) {
    std::ofstream(*options_.calibration.text) << all.substr(0, 2000) << all.substr(tail, 3000);
    const auto report = run();
    ASSERT_TRUE(report) << report.error().text();
    ASSERT_EQ(report->rows.at(0).trials.at(0).method, "rtn");
    rounded.push_back(report->rows[0].trials[0].kl.value);
  }
  EXPECT_NE(rounded[0], rounded[1]);
}

// A short text is shared out: what was fitted and what was held back are all of it.
TEST_F(Auto, HoldsBackAQuarterOfAShortText) {
  options_.calibration.text = text("short", 40000, 2200);
  options_.calibration.samples = 100;
  const auto report = run();
  ASSERT_TRUE(report) << report.error().text();
  const std::string& note = report->notes.at(0);
  const auto number_before = [&](const std::string& words) {
    const auto at = note.find(words);
    EXPECT_NE(at, std::string::npos) << note;
    const auto begin = note.rfind(' ', at - 1) + 1;
    return std::stoi(note.substr(begin));
  };
  const int held = number_before(" windows of"), fitted = number_before(" that they saw");
  EXPECT_EQ(held, (held + fitted) / 4) << note;
  EXPECT_GE(held, 1);
}

TEST_F(Auto, RowsOfTheChosenMethodAreNotMeasuredTwice) {
  const auto alone = run();
  ASSERT_TRUE(alone);
  options_.methods = {alone->rows[0].method, "auto"};
  EXPECT_EQ(run()->rows.size(), 1u);
  options_.methods = {"auto", "rtn"};
  EXPECT_EQ(run()->rows.size(), 2u);
}

TEST(MethodsFor, SmoothquantOnlyWhereActivationsAreRounded) {
  const auto has_smoothquant = [](const char* scheme) {
    const auto methods = methods_for(parse_scheme(scheme).value());
    return std::any_of(methods.begin(), methods.end(), [](const Method& method) {
      return method.name().starts_with("smoothquant");
    });
  };
  EXPECT_FALSE(has_smoothquant("int8_row"));
  EXPECT_TRUE(has_smoothquant("int8_row@int8_token"));
}

TEST(MethodsFor, NoneThatWouldFallBackOnAnother) {
  const auto names = [](const char* scheme) {
    std::vector<std::string> out;
    for (const Method& method : methods_for(parse_scheme(scheme).value()))
      out.push_back(method.name());
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("int4_g32"), (Names{"rtn", "mse", "imatrix", "gptq", "awq", "awq+gptq"}));
  EXPECT_EQ(names("iq2_xxs@f32"), (Names{"rtn", "mse", "imatrix", "awq"}));
  EXPECT_EQ(names("int4_g32_float_zero")[2], "hqq");
  const Names spqr = names("spqr3_g16");
  EXPECT_NE(std::find(spqr.begin(), spqr.end(), "spqr"), spqr.end());
}

}  // namespace
}  // namespace farthing
