// The golden renderings are what transformers' own function gives now, and so are the renderings of
// templates that are not carried here.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/support/scratch_folder.h"
#include "text/chat_template.h"
#include "text/support/chat_conversations.h"
#include "text/support/fixtures.h"

namespace farthing {
namespace {

const std::string kSource = FARTHING_SOURCE_DIR;

std::string make_golden(const std::string& arguments) {
  const char* named = std::getenv("FARTHING_PEER_PYTHON");
  const std::string python =
      named != nullptr ? named : "\"$(" + kSource + "/scripts/peers --python reference)\"";
  return python + " -B " + kSource +
         "/tests/text/data/chat_templates/make_golden.py --transformers " + arguments;
}

TEST(PeerChatTemplate, TheGoldenRenderingsAreThoseOfTransformers) {
  const std::string command = make_golden("--check");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

// The packages of the peer `templates`: Llama 3 to 4, Gemma to Gemma 4, Phi 3 to 4, Mistral's of
// every version, DeepSeek V2 to R1, Qwen 2.5 to 3.8, gpt-oss, Cohere, GLM, Falcon, Nemotron, and
// the same again with generation blocks.
class PeerPackages : public ::testing::Test {
 protected:
  void SetUp() override {
    namespace fs = std::filesystem;
    const char* named = std::getenv("FARTHING_TEMPLATES_PYTHON");
    if (named == nullptr) GTEST_SKIP() << "FARTHING_TEMPLATES_PYTHON is not set (scripts/peers)";
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(named).parent_path().parent_path() / "lib")) {
      if (entry.path().extension() != ".jinja" || !entry.is_regular_file()) continue;
      std::string name = entry.path().filename().string();
      while (fs::exists(folder_ / name)) name = "other_" + name;
      fs::copy_file(entry.path(), folder_ / name);
      templates_.push_back(folder_ / name);
    }
    const std::string command = make_golden(folder_.path().string());
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  ScratchFolder folder_;
  std::vector<std::filesystem::path> templates_;
};

TEST_F(PeerPackages, EveryTemplateRendersAsInTransformers) {
  const auto conversations = testing::read_conversations();
  int texts = 0;
  for (const auto& path : templates_) {
    const auto chat = ChatTemplate::parse(testing::read_whole_file(path.string()), path.string());
    ASSERT_TRUE(chat) << chat.error().text();
    auto golden = path;
    const auto expected = testing::read_golden(golden.replace_extension(".golden").string());
    ASSERT_EQ(expected.size(), conversations.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto text = chat->render(conversations[i].input);
      EXPECT_EQ(text.has_value(), !expected[i].is_error)
          << path << ", " << expected[i].name << ": " << (text ? *text : text.error().text());
      if (!text || expected[i].is_error) continue;
      EXPECT_EQ(*text, expected[i].text) << path << ", " << expected[i].name;
      ++texts;
    }
  }
  EXPECT_GT(templates_.size(), 100u);
  EXPECT_GT(texts, 2000);
}

}  // namespace
}  // namespace farthing
