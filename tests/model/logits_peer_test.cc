// Models give the logits that transformers gives in f32, computed now.
#include <cstdio>
#include <cstdlib>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "model/support/peer_logits.h"
#include "workflows/baseline_source.h"

namespace farthing {
namespace {

std::string peer_python() {
  if (const char* named = std::getenv("FARTHING_PEER_PYTHON")) return named;
  return "\"$(" FARTHING_SOURCE_DIR "/scripts/peers --python reference)\"";
}

void expect_the_same_logits(const std::string& model_path, int tokens) {
  const ScratchFolder folder;
  const auto golden = folder / "logits.safetensors";
  const std::string command = peer_python() +
                              " " FARTHING_SOURCE_DIR "/tests/model/data/make_golden.py '" +
                              model_path + "' " + std::to_string(tokens) + " " + golden.string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  ContextOwner owner(available_processors(), choose_isa().value());
  const auto checkpoint = Checkpoint::open(model_path);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().text();
  BaselineSource unrounded(**checkpoint);  // activations in f32 where the file's types imply others
  NoProgress progress;
  const auto model = build_model(owner.get(), (*checkpoint)->config(), unrounded, progress);
  ASSERT_TRUE(model.has_value()) << model.error().text();
  const double difference = testing::difference_from(owner.get(), **model, golden);
  std::printf("largest difference: %.2e of the largest logit\n", difference);
  // As in golden_test.cc; thirty layers and sums of 1536 products reach some 1e-5.
  EXPECT_LE(difference, 1e-4);
}

TEST(PeerLogits, Stories260k) {
  expect_the_same_logits(FARTHING_SOURCE_DIR "/models/stories260k", 512);
}

TEST(PeerLogits, TinyStories656K) {
  const char* shared = std::getenv("FARTHING_SHARED");
  const std::string path =
      std::string(shared != nullptr ? shared : FARTHING_SOURCE_DIR "/../shared") +
      "/models/TinyStories-656K";
  if (!std::filesystem::is_directory(path)) GTEST_SKIP() << "there is no folder " << path;
  expect_the_same_logits(path, 512);
}

TEST(PeerLogits, SmolLM2) {
  const char* path = std::getenv("FARTHING_SMOLLM2_GGUF");
  if (path == nullptr) GTEST_SKIP() << "FARTHING_SMOLLM2_GGUF names no file";
  expect_the_same_logits(path, 512);
}

}  // namespace
}  // namespace farthing
