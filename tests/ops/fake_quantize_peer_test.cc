// PyTorch's fake quantization, computed now, on more numbers than the committed ones.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/support/scratch_folder.h"
#include "ops/support/fake_quantize_golden.h"

namespace farthing {
namespace {

const std::string data = FARTHING_SOURCE_DIR "/tests/ops/data/";

void run_script(const std::string& arguments) {
  const char* named = std::getenv("FARTHING_PEER_PYTHON");
  const std::string python =
      named != nullptr ? named : "\"$(" FARTHING_SOURCE_DIR "/scripts/peers --python reference)\"";
  const std::string command = python + " " + data + "make_fake_quantize_golden.py " + arguments;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

TEST(PeerFakeQuantize, TheCommittedVectorsAreWhatTorchGivesToday) {
  const ScratchFolder folder;
  const auto made = folder / "golden.safetensors";
  run_script(made.string());
  EXPECT_EQ(read_all(made), read_all(data + "fake_quantize_golden.safetensors"));
}

TEST(PeerFakeQuantize, CodesDifferFromTorchAtTiesOnlyAndByOne) {
  for (int seed : {2, 3}) {
    const ScratchFolder folder;
    const auto made = folder / "golden.safetensors";
    run_script(made.string() + " 300 1000 " + std::to_string(seed));
    ContextOwner owner(available_processors(), supported_isas().back());
    const int64_t different = testing::expect_torch(owner.get(), made);
    std::printf("at ties, %lld of 900000 elements differ (half of the inputs are made ties)\n",
                static_cast<long long>(different));
    EXPECT_GT(different, 0);  // else the inputs are too easy to show the difference
  }
}

}  // namespace
}  // namespace farthing
