// Tests of the alignment's JSON, HTML and text, and of where its report is written.
#include <gtest/gtest.h>

#include <limits>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "io/json.h"
#include "workflows/align/align.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
const std::string stories = FARTHING_SOURCE_DIR "/models/stories260k";

// A pair of 14 tokens, of which the first `differing` differ, the later the more.
AlignReport example(int differing) {
  AlignReport report;
  report.model = "models/example";
  report.kv_cache = "f32";
  report.clip = 0.2;
  report.protocol = {15, 1, 14, "1 window of 15 tokens", "text.txt", "0123456789abcdef"};
  report.place = {"farthing 0.1.0", "2026-11-23T05:00:00Z", "A processor", "avx2", 2};
  Alignment pair;
  pair.name = "token by token";
  pair.tokens = 14;
  pair.logits_compared = true;
  for (int t = 0; t < 14; ++t) {
    report.tokens.push_back({0, t + 1, 100 + t, "word" + std::to_string(t)});
    report.measured.log_p.push_back(-3);
    pair.log_p.push_back(t < differing ? -3 - 0.01 * (t + 1) : -3);
  }
  pair.max = 0.01 * differing;
  pair.equal_bits = differing == 0;
  report.measured.operators = {{OperatorKind::embedding, "table", 64, 2.0},
                               {OperatorKind::linear, "q_proj", 32, 4.0}};
  pair.operators = {{14, 0, 0, 0, -1, -1}, {14, 0, 0, 0, -1, -1}};
  if (differing > 0) pair.operators[1] = {14, 5, 0.5, 3, 0, 2};
  report.measured.pairs = {pair};
  report.measured.batches = {1};
  return report;
}

JsonObject parsed(const AlignReport& report) {
  auto json = JsonObject::parse(align_json(report), "report.json");
  EXPECT_TRUE(json) << json.error().text();
  return *json;
}

std::string visible(const AlignReport& report) {
  const std::string html = align_html(report);
  return html.substr(0, html.find("<script"));
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(AlignJson, HoldsPairsOperatorsAndTokens) {
  const JsonObject json = parsed(example(3));
  EXPECT_EQ(*json.boolean("within_bound"), false);
  const auto pairs = json.objects("pairs");
  ASSERT_TRUE(pairs);
  const JsonObject& pair = pairs->at(0);
  for (const char* name : {"name", "tokens", "mean", "max", "deviation", "k3_mean", "k3_max",
                           "clip_fraction", "ratio_mean", "equal_bits"})
    EXPECT_TRUE(pair.has(name)) << name;
  EXPECT_EQ(*pair.string("first_operator.kind"), "linear");
  EXPECT_EQ(*pair.string("first_operator.name"), "q_proj");
  EXPECT_EQ(*pair.integer("first_operator.position"), 2);
  const auto differ = pair.objects("operators_that_differ");
  ASSERT_TRUE(differ);
  ASSERT_EQ(differ->size(), 1u);
  EXPECT_EQ(*differ->at(0).number("max"), 3);
  EXPECT_EQ(*differ->at(0).number("relative"), 0.5 / 4);
  EXPECT_EQ(*differ->at(0).integer("rows_differ"), 5);
  EXPECT_EQ(pair.numbers("log_p")->at(2), -3 - 0.03);
  EXPECT_EQ(json.objects("operators")->size(), 2u);
  const auto tokens = json.objects("tokens");
  ASSERT_EQ(tokens->size(), 14u);
  EXPECT_EQ(*tokens->at(4).string("text"), "word4");
  EXPECT_EQ(*tokens->at(4).integer("position"), 5);
  EXPECT_EQ(*tokens->at(4).number("log_p"), -3);
}

TEST(AlignJson, APairThatIsEqualRepeatsNoLogProbability) {
  const JsonObject json = parsed(example(0));
  const auto pairs = json.objects("pairs");
  EXPECT_FALSE(pairs->at(0).has("log_p"));
  EXPECT_TRUE(pairs->at(0).is_null("first_operator"));
  EXPECT_EQ(*json.boolean("within_bound"), true);
}

TEST(AlignText, ListsTheTenTokensWithTheLargestDifferences) {
  const std::string text = align_text(example(12));
  for (int t = 2; t < 12; ++t) EXPECT_TRUE(holds(text, "\"word" + std::to_string(t) + "\"")) << t;
  for (const int t : {0, 1, 12, 13})
    EXPECT_FALSE(holds(text, "\"word" + std::to_string(t) + "\"")) << t;
  EXPECT_LT(text.find("word11"), text.find("word10"));
  EXPECT_TRUE(holds(text, "The first operator that differs: linear q_proj, window 0, position 2."));
}

TEST(AlignText, ListsNoTokenAndNoOperatorWhereAllIsEqual) {
  const std::string text = align_text(example(0));
  EXPECT_FALSE(holds(text, "word"));
  EXPECT_FALSE(holds(text, "q_proj"));
  EXPECT_TRUE(holds(text,
                    "Equal in every bit: 14 log-probabilities, their logits and the outputs "
                    "of 2 operators."));
}

TEST(AlignText, BytesThatATerminalWouldObeyAreEscaped) {
  AlignReport report = example(1);
  report.tokens[0].text = "\x1b[2J\n\"\xff";
  EXPECT_TRUE(holds(align_text(report), "\"\\x1b[2J\\n\\\"\ufffd\""));
}

TEST(AlignReport, ATokenThatAPairDidNotComputeIsNoDifference) {
  AlignReport report = example(3);
  report.measured.pairs[0].log_p[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(largest_differences(report, report.measured.pairs[0], 10), (std::vector<size_t>{1, 0}));
}

TEST(AlignReport, ABoundOfZeroAsksForEqualBitsOfTheLogits) {
  AlignReport report = example(0);
  EXPECT_TRUE(report.within());
  report.measured.pairs[0].equal_bits = false;
  EXPECT_FALSE(report.within());
  report.bound = 1e-9;
  EXPECT_TRUE(report.within());
}

TEST(AlignHtml, FetchesNothing) {
  const std::string html = align_html(example(3));
  for (const char* fetch : {" src=", " href=", "@import", "url(", "fetch(", "XMLHttpRequest",
                            "import(", "<link", "<iframe"})
    EXPECT_FALSE(holds(html, fetch)) << fetch;
  EXPECT_TRUE(holds(html, "Chart.js v3"));
  EXPECT_EQ(html.find("{{"),
            html.find("{{", html.find("Chart.js v3")));  // no place of the template is left empty
}

TEST(AlignHtml, HostileNamesAndTokensStayText) {
  const std::string hostile = "x</script><script>alert(1)</script><!--&\"'";
  AlignReport report = example(3);
  report.model = report.against = report.protocol.text = hostile;
  report.tokens[1].text = hostile;
  report.measured.operators[1].name = hostile;
  report.measured.operators_note = hostile;
  report.measured.pairs[0].name = hostile;
  const std::string html = align_html(report);
  EXPECT_FALSE(holds(html, "<script>alert"));
  EXPECT_FALSE(holds(html, "<!--"));
}

TEST(AlignHtml, SaysPlainlyThatAllIsEqualAndHidesWhatWouldBeEmpty) {
  const std::string equal = visible(example(0)), differs = visible(example(3));
  EXPECT_TRUE(holds(equal, "Equal in every bit: 14 log-probabilities"));
  EXPECT_TRUE(holds(equal, "14 log-probabilities of next tokens were compared"));
  EXPECT_TRUE(holds(equal, "1,344 outputs of 2 operators were compared"));  // 14 * (64 + 32)
  for (const char* id : {"distribution-title", "path-title"}) {
    const std::string hidden = std::string("<section hidden aria-labelledby=\"") + id;
    EXPECT_TRUE(holds(equal, hidden)) << id;
    EXPECT_FALSE(holds(differs, hidden)) << id;
  }
  EXPECT_TRUE(holds(differs, "linear q_proj, window 0, position 2"));
}

class AlignFiles : public ::testing::Test {
 protected:
  Result<AlignReport> run(const fs::path& report) {
    ContextOwner owner(1, choose_isa().value());
    NoProgress progress;
    AlignOptions options;
    options.model = options.against = stories;
    options.windows = {32, 16};
    options.report = report;
    return align(owner.get(), options, progress);
  }
  ScratchFolder folder_;
};

TEST_F(AlignFiles, APathThatEndsInHtmlIsThePageAlone) {
  const auto report = run(folder_ / "page.html");
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_TRUE(report->measured.equal());
  EXPECT_EQ(read_text_file(folder_ / "page.html").value(), align_html(*report));
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"page.html"});
}

TEST_F(AlignFiles, AnyOtherPathIsAFolderForPageAndJson) {
  const auto report = run(folder_ / "out");
  ASSERT_TRUE(report.has_value()) << report.error().text();
  EXPECT_EQ(read_text_file(folder_ / "out" / "report.html").value(), align_html(*report));
  EXPECT_EQ(read_text_file(folder_ / "out" / "report.json").value(), align_json(*report));
}

TEST_F(AlignFiles, AFolderThatIsNotThereIsReportedBeforeAnythingIsMeasured) {
  const auto report = run(folder_ / "missing" / "page.html");
  ASSERT_FALSE(report.has_value());
  EXPECT_TRUE(holds(report.error().text(), "missing")) << report.error().text();
  EXPECT_TRUE(folder_.names().empty());
}

}  // namespace
}  // namespace farthing
