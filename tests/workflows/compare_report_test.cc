// Tests of the comparison's JSON, HTML and text.
#include "workflows/compare/compare_report.h"

#include <gtest/gtest.h>

#include "io/json.h"
#include "support/example_report.h"

namespace farthing {
namespace {

CompareReport finished(std::vector<CompareRow> rows) {
  CompareReport report = example_report(std::move(rows));
  report.recommendation = recommend(report, 0.05);
  return report;
}

CompareReport small_report() {
  return finished({example_row("int8_row", 100, 0.01, 20),
                   failed_row("f16", "the weights are too large for f16")});
}

JsonObject parsed(const CompareReport& report) {
  auto json = JsonObject::parse(compare_json(report), "report.json");
  EXPECT_TRUE(json) << json.error().text();
  return *json;
}

// The text between `begin` and the next `end`.
std::string part_of(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin);
  if (from == std::string::npos) return {};
  return text.substr(from + begin.size(), text.find(end, from) - from - begin.size());
}

TEST(CompareJson, HoldsEveryFieldOfTheContract) {
  const JsonObject json = parsed(small_report());
  for (const char* name :
       {"model", "protocol.context", "protocol.stride", "protocol.bos", "protocol.tokens",
        "protocol.text", "protocol.text_xxh3_128", "machine.cpu", "machine.isa", "machine.threads",
        "program", "date", "notes", "baseline.perplexity", "baseline.bytes",
        "baseline.prompt_tokens_per_second", "recommendation.name", "recommendation.headline",
        "recommendation.reasons"})
    EXPECT_TRUE(json.has(name)) << name;
  const auto rows = json.objects("rows");
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  for (const char* name : {"format",
                           "activations",
                           "method",
                           "scale_rule",
                           "bits_per_weight",
                           "bytes",
                           "peak_memory_bytes",
                           "perplexity",
                           "perplexity_interval",
                           "perplexity_increase",
                           "kl_mean",
                           "kl_mean_interval",
                           "kl_p99",
                           "kl_p99_interval",
                           "top1_agreement",
                           "top1_agreement_interval",
                           "prompt_tokens_per_second",
                           "decode_tokens_per_second",
                           "quantize_seconds",
                           "fallbacks",
                           "layers"})
    EXPECT_TRUE(rows->at(0).has(name)) << name;
  EXPECT_EQ(*json.integer("protocol.tokens"), 16384);
  EXPECT_EQ(*json.boolean("protocol.bos"), false);
  EXPECT_EQ(*rows->at(0).numbers("kl_mean_interval"),
            (std::vector<double>{0.97 * 0.01, 1.03 * 0.01}));
  EXPECT_EQ(*rows->at(0).objects("layers")->at(0).number("relative_squared_error"), 0.0125);
  EXPECT_TRUE(rows->at(0).is_null("error"));
  EXPECT_EQ(*rows->at(1).string("error"), "the weights are too large for f16");
}

TEST(CompareHtml, FetchesNothing) {
  const std::string html = compare_html(small_report());
  for (const char* fetch : {" src=", " href=", "@import", "url(", "fetch(", "XMLHttpRequest",
                            "import(", "<link", "<iframe"})
    EXPECT_EQ(html.find(fetch), std::string::npos) << fetch;
  EXPECT_NE(html.find("Chart.js v3"), std::string::npos);
  EXPECT_EQ(html.find("{{"),
            html.find("{{", html.find("Chart.js v3")));  // no place of the template is left empty
}

TEST(CompareHtml, HostileNamesStayText) {
  const std::string hostile = "x</script><script>alert(1)</script><!--&\"'";
  CompareRow row = example_row(hostile, 100, 0.01, 20);
  row.fallbacks = {hostile};
  CompareReport report = finished({row, failed_row(hostile + "2", hostile)});
  report.model = hostile;
  report.notes = {hostile};
  report.protocol.text = hostile;
  const std::string html = compare_html(report);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<!--"), std::string::npos);
  EXPECT_EQ(html.find("\"'<"), std::string::npos);
  // The data still reads back as what it was.
  const std::string data =
      part_of(html, "<script type=\"application/json\" id=\"report-data\">", "</script>");
  const auto json = JsonObject::parse(data, "data");
  ASSERT_TRUE(json) << json.error().text();
  EXPECT_EQ(*json->string("model"), hostile);
}

TEST(CompareHtml, ShowsRowsNotesErrorsAndTheRecommendation) {
  CompareReport report = small_report();
  report.notes = {"moved off the grid"};
  const std::string html = compare_html(report);
  const std::string visible = html.substr(0, html.find("<script"));
  for (const std::string part :
       {"int8_row", "the weights are too large for f16", "moved off the grid", "unquantized",
        "A processor", "32 windows of 512 tokens", "0123456789abcdef"})
    EXPECT_NE(visible.find(part), std::string::npos) << part;
  EXPECT_NE(visible.find("Use int8_row: 100 MB instead of 500 MB"), std::string::npos);
}

TEST(CompareText, ShowsRowsNotesErrorsAndTheRecommendation) {
  CompareReport report = small_report();
  report.notes = {"moved off the grid"};
  const std::string text = compare_text(report);
  for (const std::string part :
       {"int8_row", "f16 was not measured: the weights are too large for f16",
        "note: moved off the grid", "unquantized", "32 windows of 512 tokens", "Use int8_row"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
}

TEST(CompareRow, TheMethodIsNamedWhereItIsNotTheUsualOne) {
  CompareRow row = example_row("int4_g32", 50, 0.1, 20);
  EXPECT_EQ(row.name(), "int4_g32");
  row.method = "gptq";
  EXPECT_EQ(row.name(), "int4_g32 (gptq)");
}

}  // namespace
}  // namespace farthing
