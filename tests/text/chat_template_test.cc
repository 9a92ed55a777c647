// Chat templates render, byte for byte, what jinja2 renders in the environment of transformers.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "text/support/chat_conversations.h"
#include "text/support/fixtures.h"

namespace farthing {
namespace {

const std::string kData = FARTHING_SOURCE_DIR "/tests/text/data/chat_templates/";

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const std::string folder : {"real", "own"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kData + folder)) {
      if (entry.path().extension() != ".jinja") continue;
      names.push_back(folder + "/" + entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

ChatTemplate parsed(std::string_view source) {
  const auto chat = ChatTemplate::parse(source, "chat_template.jinja");
  EXPECT_TRUE(chat.has_value()) << chat.error().text();
  return chat.value();
}

class ChatTemplateGolden : public ::testing::TestWithParam<std::string> {
 protected:
  const ChatTemplate chat_ = parsed(testing::read_whole_file(kData + GetParam() + ".jinja"));
  const std::vector<testing::Expected> expected_ =
      testing::read_golden(kData + GetParam() + ".golden");
  const std::vector<testing::Conversation> conversations_ = testing::read_conversations();
};

TEST_P(ChatTemplateGolden, RendersWhatJinja2Renders) {
  ASSERT_EQ(expected_.size(), conversations_.size());
  int texts = 0;
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    ASSERT_EQ(expected_[i].name, conversations_[i].name);
    if (expected_[i].is_error) continue;
    const auto text = chat_.render(conversations_[i].input);
    ASSERT_TRUE(text.has_value()) << expected_[i].name << ": " << text.error().text();
    EXPECT_EQ(*text, expected_[i].text) << expected_[i].name;
    ++texts;
  }
  EXPECT_GT(texts, 5);
}

TEST_P(ChatTemplateGolden, FailsWhereJinja2Fails) {
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    if (!expected_[i].is_error) continue;
    const auto text = chat_.render(conversations_[i].input);
    ASSERT_FALSE(text.has_value()) << expected_[i].name << ": " << *text;
    EXPECT_NE(text.error().where.find("chat_template.jinja, line "), std::string::npos)
        << text.error().text();
    // What the template says in raise_exception is passed on.
    const bool raised = expected_[i].error_class == "TemplateError";
    EXPECT_EQ(text.error().what == "the chat template refuses the conversation", raised)
        << text.error().text();
    if (raised) {
      EXPECT_EQ(text.error().got, expected_[i].text);
    }
  }
}

TEST_P(ChatTemplateGolden, MarksTheGenerationBlocksThatTransformersMarks) {
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    std::vector<ChatSpan> spans = expected_[i].spans;
    std::erase_if(spans, [](const ChatSpan& span) { return span.begin == span.end; });
    if (spans.empty()) continue;
    const auto rendering = chat_.render_with_spans(conversations_[i].input);
    ASSERT_TRUE(rendering.has_value()) << rendering.error().text();
    EXPECT_EQ(rendering->text, expected_[i].text);
    EXPECT_EQ(rendering->assistant, spans) << expected_[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChatTemplateGolden, ::testing::ValuesIn(template_names()), test_name);

TEST(ChatTemplate, ToolsAndDocumentsAreNoneWhereThereAreNone) {
  EXPECT_EQ(parsed("{{ tools }} {{ documents }} {{ add_generation_prompt }}").render({}),
            "None None False");
}

TEST(ChatTemplate, ATokenThatTheModelLacksIsUndefined) {
  const ChatTemplate chat = parsed("{{ bos_token }}{{ eos_token is defined }}");
  EXPECT_EQ(chat.render({.messages = {}, .special_tokens = {{"bos_token", "<s>"}}}), "<s>False");
}

TEST(ChatTemplate, OtherVariablesHaveTheirTypes) {
  ChatInput input;
  input.variables = {{"enable_thinking", ChatValue(false)}, {"n", ChatValue(3)}};
  EXPECT_EQ(parsed("{{ enable_thinking is false }}{{ n + 1 }}").render(input), "True4");
}

TEST(ChatTemplate, ReasoningGoesByAllItsNames) {
  ChatInput input;
  input.messages = {ChatMap{{"role", "assistant"}, {"reasoning", "why"}}};
  EXPECT_EQ(parsed("{{ messages[0].thinking }}{{ messages[0].reasoning_content }}").render(input),
            "whywhy");
}

TEST(ChatTemplate, MembersKeepTheirOrder) {
  ChatInput input;
  input.messages = {ChatMap{{"role", "user"}, {"content", "x"}, {"a", 1}}};
  EXPECT_EQ(parsed("{{ messages[0] | tojson }}").render(input),
            R"({"role": "user", "content": "x", "a": 1})");
}

TEST(ChatTemplate, TheTimeIsTheCallersTime) {
  ChatInput input;
  input.now = ChatTime{2024, 2, 29};
  EXPECT_EQ(parsed("{{ strftime_now('%d %b %Y %H:%M %A %j') }}").render(input),
            "29 Feb 2024 00:00 Thursday 060");
}

TEST(ChatTemplate, CopiesRenderAtTheSameTimeInSeveralThreads) {
  const ChatTemplate chat = parsed(testing::read_whole_file(kData + "real/qwen3.jinja"));
  const ChatInput input = testing::conversation("tool_calls");
  const std::string expected = chat.render(input).value();
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::string& text : texts) {
    threads.emplace_back([chat, &input, &text] {
      for (int i = 0; i < 20; ++i) text = chat.render(input).value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, expected);
}

}  // namespace
}  // namespace farthing
