// GGUF's block types against what the package gguf and libggml make of many random blocks and rows,
// now.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <span>

#include "base/support/scratch_folder.h"
#include "formats/support/gguf_golden.h"

namespace farthing {
namespace {

std::string run(const std::filesystem::path& folder, const std::string& options) {
  const char* named = std::getenv("FARTHING_PEER_LLAMA_CPP_PYTHON");
  const std::string python = named != nullptr ? std::string(named)
                                              : "\"$(" FARTHING_SOURCE_DIR
                                                "/scripts/peers --python llama-cpp)\"";
  const std::string command =
      python + " -B " FARTHING_SOURCE_DIR "/tests/formats/data/make_golden_gguf.py '" +
      folder.string() + "' " + options;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return folder / "golden_gguf.safetensors";
}

TEST(PeerGguf, TheCommittedVectorsAreWhatThePeersMakeToday) {
  const ScratchFolder folder;
  const testing::GgufGolden now(run(folder.path(), ""));
  const testing::GgufGolden committed(FARTHING_SOURCE_DIR
                                      "/tests/formats/data/golden_gguf.safetensors");
  EXPECT_EQ(testing::first_difference(now.tensor("weights"), committed.tensor("weights")), -1);
  const auto same = [&](std::span<const std::string> types) {
    for (const std::string& name : types)
      for (const char* part : {".random", ".random.decoded", ".blocks"})
        EXPECT_EQ(testing::first_difference(now.tensor(name + part), committed.tensor(name + part)),
                  -1)
            << name << part;
  };
  same(testing::gguf_with_a_rule);
  same(testing::gguf_with_a_search);
}

TEST(PeerGguf, ManyRandomBlocksDecodeToTheSameBitsAndRowsEncodeAsWell) {
  for (const char* seed : {"2", "3"}) {
    const ScratchFolder folder;
    const testing::GgufGolden peer(run(folder.path(), "--blocks 4000 --seed " + std::string(seed)));
    const auto decodes = [&](const std::string& name) {
      EXPECT_EQ(testing::first_difference(peer.matrix(*find_format(name), ".random").decode(),
                                          peer.tensor(name + ".random.decoded")),
                -1)
          << name;
    };
    for (const std::string& name : testing::gguf_with_a_rule) {
      decodes(name);
      EXPECT_EQ(testing::first_difference(peer.encoded(*find_format(name)).planes[0],
                                          peer.tensor(name + ".blocks")),
                -1)
          << name;
    }
    for (const std::string& name : testing::gguf_with_a_search) {
      decodes(name);
      const Format& format = *find_format(name);
      const auto ours = peer.error(peer.encoded(format)),
                 theirs = peer.error(peer.matrix(format, ".blocks"));
      std::printf("%-11s weighted error %.4f, plain %.4f of libggml's\n", name.c_str(),
                  ours.weighted / theirs.weighted, ours.plain / theirs.plain);
      EXPECT_LE(ours.weighted, theirs.weighted) << name;
    }
  }
}

}  // namespace
}  // namespace farthing
