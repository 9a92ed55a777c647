// A tokenizer.json written from a GGUF vocabulary loads in Hugging Face's tokenizers and gives the
// same tokens there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "text/support/fixtures.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

class PeerTokenizer : public ::testing::TestWithParam<std::string> {};

TEST_P(PeerTokenizer, GivesTheSameTokens) {
  const std::string file = ::testing::TempDir() + "farthing_" + GetParam() + ".json";
  const auto tokenizer = tokenizer_from_gguf(testing::read_vocabulary(GetParam() + ".vocabulary"));
  ASSERT_TRUE(tokenizer.has_value());
  std::ofstream(file) << tokenizer_to_json(*tokenizer);
  const std::string source = FARTHING_SOURCE_DIR;
  const char* named = std::getenv("FARTHING_PEER_PYTHON");
  const std::string python =
      named != nullptr ? named : "\"$(" + source + "/scripts/peers --python reference)\"";
  const std::string command = python + " " + source + "/tests/text/data/check_tokenizer_json.py " +
                              file + " " + source + "/tests/text/data/" + GetParam() + ".vectors";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

INSTANTIATE_TEST_SUITE_P(All, PeerTokenizer, ::testing::Values("gpt-2", "smollm2", "llama-spm"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace farthing
