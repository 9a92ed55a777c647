// Chat templates of the folder ../shared, which may not be carried in this repository.
#include <gtest/gtest.h>

#include "text/chat_template.h"
#include "text/support/chat_conversations.h"
#include "text/support/fixtures.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

TEST(SharedChatTemplate, Llama3RendersWhatJinja2Renders) {
  const std::string shared = testing::shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no folder ../shared";
  const std::string path = shared + "/tokenizers/llama3/tokenizer_config.json";
  const auto config = tokenizer_config_from_json(testing::read_whole_file(path), path);
  ASSERT_TRUE(config.has_value());
  const auto chat = ChatTemplate::parse(config->chat_template.value(), path);
  ASSERT_TRUE(chat.has_value()) << chat.error().text();
  const auto expected =
      testing::read_golden(FARTHING_SOURCE_DIR "/tests/text/data/chat_templates/llama3.golden");
  const auto conversations = testing::read_conversations();
  ASSERT_EQ(expected.size(), conversations.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto text = chat->render(conversations[i].input);
    ASSERT_EQ(text.has_value(), !expected[i].is_error) << expected[i].name;
    if (text) {
      EXPECT_EQ(*text, expected[i].text) << expected[i].name;
    }
  }
}

// This template adds its prompt whether it is asked to or not, so the end of a message that is not
// the last one is behind the prompt for the next.
TEST(SharedChatTemplate, Llama3DoesNotTellWhereEarlierMessagesEnd) {
  const std::string shared = testing::shared_folder();
  if (shared.empty()) GTEST_SKIP() << "no folder ../shared";
  const std::string path = shared + "/tokenizers/llama3/tokenizer_config.json";
  const auto config = tokenizer_config_from_json(testing::read_whole_file(path), path);
  const auto chat = ChatTemplate::parse(config.value().chat_template.value(), path);
  EXPECT_FALSE(chat.value().render_with_spans(testing::conversation("turns")).has_value());
}

}  // namespace
}  // namespace farthing
