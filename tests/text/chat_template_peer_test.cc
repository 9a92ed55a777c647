// The golden renderings are what transformers' own function gives now.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace farthing {
namespace {

TEST(PeerChatTemplate, TheGoldenRenderingsAreThoseOfTransformers) {
  const std::string source = FARTHING_SOURCE_DIR;
  const char* named = std::getenv("FARTHING_PEER_PYTHON");
  const std::string python =
      named != nullptr ? named : "\"$(" + source + "/scripts/peers --python reference)\"";
  const std::string command =
      python + " -B " + source +
      "/tests/text/data/chat_templates/make_golden.py --transformers --check";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace farthing
