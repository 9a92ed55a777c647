// Which text the assistant wrote: by {% generation %}, or by rendering the conversation's
// beginnings.
#include <gtest/gtest.h>

#include "text/chat_template.h"
#include "text/support/chat_conversations.h"
#include "text/support/fixtures.h"

namespace farthing {
namespace {

ChatTemplate real(const std::string& name) {
  const std::string path =
      FARTHING_SOURCE_DIR "/tests/text/data/chat_templates/real/" + name + ".jinja";
  return ChatTemplate::parse(testing::read_whole_file(path), name).value();
}

ChatTemplate made(std::string_view source) { return ChatTemplate::parse(source, "made").value(); }

ChatValue message(std::string_view role, std::string_view content) {
  return ChatMap{{"role", role}, {"content", content}};
}

ChatInput talk() {
  ChatInput input;
  input.messages = {message("user", "One?"), message("assistant", "Two."),
                    message("user", "Three?"), message("assistant", "Four.")};
  return input;
}

std::vector<std::string> texts(const Result<ChatRendering>& rendering) {
  EXPECT_TRUE(rendering.has_value()) << rendering.error().text();
  std::vector<std::string> parts;
  if (!rendering) return parts;
  for (const ChatSpan& span : rendering->assistant) {
    parts.push_back(rendering->text.substr(span.begin, span.end - span.begin));
  }
  return parts;
}

using Texts = std::vector<std::string>;

TEST(ChatSpans, AMessageIsWhatFollowsTheGenerationPrompt) {
  EXPECT_EQ(texts(real("smollm2").render_with_spans(talk())),
            (Texts{"Two.<|im_end|>\n", "Four.<|im_end|>\n"}));
}

TEST(ChatSpans, TheTextIsThatOfAPlainRendering) {
  const ChatTemplate chat = real("smollm2");
  EXPECT_EQ(chat.render_with_spans(talk())->text, chat.render(talk()));
}

TEST(ChatSpans, WhiteSpaceBehindTheEndTokenIsTheTemplates) {
  ChatInput input = talk();
  input.special_tokens = {{"eos_token", "<|im_end|>"}};
  EXPECT_EQ(texts(real("smollm2").render_with_spans(input)),
            (Texts{"Two.<|im_end|>", "Four.<|im_end|>"}));
}

TEST(ChatSpans, AnEndTokenInsideAMessageDoesNotEndIt) {
  ChatInput input = talk();
  input.special_tokens = {{"eos_token", "Tw"}};
  EXPECT_EQ(texts(real("smollm2").render_with_spans(input))[0], "Two.<|im_end|>\n");
}

TEST(ChatSpans, OnlyTheAssistantIsMarkedAmongTools) {
  EXPECT_EQ(texts(real("qwen2.5").render_with_spans(testing::conversation("tool_calls"))),
            (Texts{"<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"place\": "
                   "\"Zürich\", \"days\": [1, 2], \"exact\": true, \"limit\": null}}\n"
                   "</tool_call><|im_end|>\n",
                   "21.5 degrees.<|im_end|>\n"}));
}

TEST(ChatSpans, AMessageIsCompleteWhenAPromptFollows) {
  ChatInput input = talk();
  input.add_generation_prompt = true;
  EXPECT_EQ(texts(real("smollm2").render_with_spans(input))[1], "Four.<|im_end|>\n");
}

TEST(ChatSpans, AConversationWithoutAssistantHasNone) {
  ChatInput input = talk();
  input.messages.resize(1);
  EXPECT_EQ(texts(real("smollm2").render_with_spans(input)), Texts{});
}

TEST(ChatSpans, AnEndTokenBehindTheWholeConversationIsNoChange) {
  ChatInput input = talk();
  input.special_tokens = {{"eos_token", "</s>"}};
  EXPECT_EQ(texts(real("phi-3.5").render_with_spans(input)),
            (Texts{"Two.<|end|>\n", "Four.<|end|>\n</s>"}));
}

TEST(ChatSpans, APromptThatOpensMoreThanTheMessageHasIsCutToWhatBothHave) {
  const ChatTemplate chat = made(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
      "{% if add_generation_prompt %}<assistant><think>{% endif %}");
  EXPECT_EQ(texts(chat.render_with_spans(talk())), (Texts{"Two.<end>", "Four.<end>"}));
}

TEST(ChatSpans, ATagThatBeginsLikeAnotherIsNotCut) {
  const ChatTemplate chat = made(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
      "{% if add_generation_prompt %}<assistant><think>{% endif %}");
  ChatInput input = talk();
  input.messages[1] = message("assistant", "<tool>x</tool>");
  EXPECT_EQ(texts(chat.render_with_spans(input))[0], "<tool>x</tool><end>");
}

TEST(ChatSpans, APromptThatNoMessageBeginsWithIsRefused) {
  const ChatTemplate chat = made(
      "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}model: {% endif %}");
  const auto rendering = chat.render_with_spans(talk());
  ASSERT_FALSE(rendering.has_value());
  EXPECT_EQ(rendering.error().what,
            "the chat template does not tell which text the assistant wrote");
  EXPECT_EQ(rendering.error().where, "made, message 1");
}

TEST(ChatSpans, WhiteSpaceBehindTheLastMessageOnlyIsNoChange) {
  const ChatTemplate chat = made(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>"
      "{% if loop.last and not add_generation_prompt %}\n{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}");
  EXPECT_EQ(texts(chat.render_with_spans(talk()))[0], "Two.<end>");
}

TEST(ChatSpans, ReasoningThatIsStrippedFromEarlierMessagesIsRefusedWithThePlace) {
  ChatInput input = testing::conversation("reasoning");
  const auto rendering = real("qwen3").render_with_spans(input);
  ASSERT_FALSE(rendering.has_value());
  EXPECT_EQ(rendering.error().where, "qwen3, message 1");
  EXPECT_NE(rendering.error().got.find("changes at byte"), std::string::npos);
  EXPECT_NE(rendering.error().got.find("<think>"), std::string::npos) << rendering.error().got;
  EXPECT_NE(rendering.error().remedy.find("kLastMessage"), std::string::npos);
}

TEST(ChatSpans, TheLastMessageAloneIsFoundWhereEarlierOnesChange) {
  ChatInput input = testing::conversation("reasoning");
  EXPECT_EQ(texts(real("qwen3").render_with_spans(input, ChatSpans::kLastMessage)),
            Texts{"<think>\nTwo and two.\n</think>\n\n4<|im_end|>\n"});
}

TEST(ChatSpans, ATextThatEndsOtherwiseWhenItIsLastIsRefused) {
  const auto rendering = real("gpt-oss").render_with_spans(testing::conversation("turns"));
  ASSERT_FALSE(rendering.has_value());
  EXPECT_NE(rendering.error().got.find("return|>"), std::string::npos) << rendering.error().got;
}

TEST(ChatSpans, ABeginningThatTheTemplateRefusesIsNamed) {
  ChatInput input;
  input.messages = {message("assistant", "I begin.")};
  const ChatTemplate chat = made(
      "{% if not messages %}{{ raise_exception('nothing said') }}{% endif %}"
      "{{ messages[0].content }}");
  const auto rendering = chat.render_with_spans(input);
  ASSERT_FALSE(rendering.has_value());
  EXPECT_NE(rendering.error().got.find("nothing said"), std::string::npos);
}

TEST(ChatSpans, GenerationBlocksAreTakenAsTheyAre) {
  const ChatTemplate chat = made(
      "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}"
      "{{ m.content }}<é>{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}");
  EXPECT_EQ(texts(chat.render_with_spans(talk())), (Texts{"Two.<é>", "Four.<é>"}));
  EXPECT_EQ(texts(chat.render_with_spans(talk(), ChatSpans::kLastMessage)), Texts{"Four.<é>"});
}

TEST(ChatSpans, AGenerationBlockInAMacroIsRefused) {
  const ChatTemplate chat = made(
      "{% macro m(text) %}\n{% generation %}{{ text }}{% endgeneration %}{% endmacro %}"
      "{{ m('x') }}");
  EXPECT_TRUE(chat.render(talk()).has_value());
  const auto rendering = chat.render_with_spans(talk());
  ASSERT_FALSE(rendering.has_value());
  EXPECT_EQ(rendering.error().where, "made, line 2, column 4");
}

}  // namespace
}  // namespace farthing
