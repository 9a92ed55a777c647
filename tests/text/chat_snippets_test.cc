// One construct of Jinja at a time: the lines of data/chat_templates/snippets.txt, by group.
#include <gtest/gtest.h>

#include <algorithm>

#include "text/support/chat_conversations.h"

namespace farthing {
namespace {

constexpr const char* kRefused = "refused: jinja2 renders these, and here they are an error";

std::vector<std::string> groups() {
  std::vector<std::string> names;
  for (const testing::Snippet& snippet : testing::read_snippets()) {
    if (snippet.group == kRefused) continue;
    if (names.empty() || names.back() != snippet.group) names.push_back(snippet.group);
  }
  return names;
}

Result<std::string> rendered(const std::string& source) {
  const auto chat = ChatTemplate::parse(source, "snippet");
  if (!chat) return fail(chat.error());
  return chat->render(testing::snippet_input());
}

class ChatSnippets : public ::testing::TestWithParam<std::string> {};

TEST_P(ChatSnippets, RenderAsJinja2RendersThem) {
  for (const testing::Snippet& snippet : testing::read_snippets()) {
    if (snippet.group != GetParam() || snippet.is_error) continue;
    const auto text = rendered(snippet.source);
    ASSERT_TRUE(text.has_value()) << snippet.source << "\n" << text.error().text();
    EXPECT_EQ(*text, snippet.text) << snippet.source;
  }
}

TEST_P(ChatSnippets, FailWhereJinja2Fails) {
  for (const testing::Snippet& snippet : testing::read_snippets()) {
    if (snippet.group != GetParam() || !snippet.is_error) continue;
    const auto text = rendered(snippet.source);
    ASSERT_FALSE(text.has_value()) << snippet.source << "\n" << *text;
    EXPECT_TRUE(text.error().where.starts_with("snippet, line 1, column ")) << snippet.source;
    EXPECT_FALSE(text.error().got.empty()) << snippet.source;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChatSnippets, ::testing::ValuesIn(groups()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(ChatSnippets, WhatIsOutsideTheSubsetIsAnErrorAndNotAnotherText) {
  int seen = 0;
  for (const testing::Snippet& snippet : testing::read_snippets()) {
    if (snippet.group != kRefused) continue;
    ++seen;
    EXPECT_FALSE(snippet.is_error) << "jinja2 refuses it too: " << snippet.source;
    const auto text = rendered(snippet.source);
    ASSERT_FALSE(text.has_value()) << snippet.source << "\n" << *text;
    EXPECT_TRUE(text.error().where.starts_with("snippet, line 1, column ")) << snippet.source;
  }
  EXPECT_GT(seen, 30);
}

}  // namespace
}  // namespace farthing
