// Facts about pages: they fetch nothing, no text gets out of its place, no place stays empty.
#include "page/page.h"

#include <gtest/gtest.h>

#include "io/json.h"

namespace farthing {
namespace {

const std::string hostile = "x</script><script>alert(1)</script><!--&\"'{{css}}";

Page hostile_page() {
  return {.name = hostile,
          .kind = hostile,
          .lead = {hostile, "second line"},
          .main = notes_html({hostile}) + list_html({hostile}) + tiles_html({{hostile, hostile}}) +
                  facts_html({{hostile, hostile}}),
          .footer = hostile,
          .data = "{\"name\": \"x</script><script>alert(1)</script><!--\"}"};
}

TEST(Page, NoTextGetsOutOfItsPlace) {
  const std::string html = page_html(hostile_page());
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<!--"), std::string::npos);
  EXPECT_NE(html.find("&amp;&#34;&#39;{{css}}<br>second line"), std::string::npos);
  const std::string mark = "id=\"report-data\">";
  const size_t from = html.find(mark) + mark.size();
  const auto data = JsonObject::parse(html.substr(from, html.find("</script>", from) - from), "");
  ASSERT_TRUE(data) << data.error().text();
  EXPECT_EQ(*data->string("name"), "x</script><script>alert(1)</script><!--");
}

TEST(Page, FetchesNothing) {
  const std::string html = page_html({.name = "a", .kind = "b", .data = "{}"});
  for (const char* fetch : {" src=", " href=", "@import", "url(", "fetch(", "XMLHttpRequest",
                            "import(", "<link", "<iframe"})
    EXPECT_EQ(html.find(fetch), std::string::npos) << fetch;
  EXPECT_NE(html.find("Chart.js v3"), std::string::npos);
}

TEST(Filled, WhatIsPutInIsNotSearchedAgain) {
  EXPECT_EQ(filled("a {{one}} b {{two}}{{one}}", {{"one", "{{two}}"}, {"two", "2"}}),
            "a {{two}} b 2{{two}}");
}

TEST(Page, PartsWithoutContentAreEmpty) {
  EXPECT_EQ(notes_html({}) + list_html({}) + tiles_html({}) + facts_html({}), "");
  EXPECT_EQ(file_name("models/stories260k/"), "stories260k");
}

}  // namespace
}  // namespace farthing
