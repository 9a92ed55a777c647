// Tests of the timing of prompt and decode, with a model that sleeps.
#include "eval/speed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace farthing {
namespace {

ModelConfig small_config(int64_t positions) {
  ModelConfig config;
  config.layers = config.heads = config.kv_heads = 1;
  config.head_dim = config.hidden_size = 16;
  config.vocabulary_size = 10;
  config.max_positions = positions;
  return config;
}

// Every call takes 2 ms, whatever it is given.
class SleepingModel : public Model {
 public:
  explicit SleepingModel(int64_t positions) : Model(small_config(positions)) {}
  WeightSlots weights() override { return {}; }
  void run(Context&, std::span<const SequenceTokens> batch,
           const autograd::Value& value) const override {
    Sequence& sequence = *batch[0].sequence;
    const auto tokens = batch[0].tokens;
    const View<float, 2> logits = value.data;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    sequence.length += static_cast<int64_t>(tokens.size());
    longest = std::max(longest, sequence.length);
    if (tokens.size() == 512) ++prompts;
    if (tokens.size() == 1) ++decodes;
    EXPECT_EQ(logits.rows, 1);
    for (int32_t token : tokens) EXPECT_TRUE(token >= 0 && token < 10);
  }
  mutable int64_t longest = 0, prompts = 0, decodes = 0;

 protected:
  void reserve_positions(int64_t) const override {}
};

TEST(Speed, TimesPromptAndDecodeApart) {
  ContextOwner context(1, Isa::portable);
  SleepingModel model(4096);
  const Speed speed = measure_speed(context.get(), model);
  EXPECT_EQ(speed.prompt_tokens, 512);
  EXPECT_EQ(speed.decode_tokens, 128);
  EXPECT_EQ(speed.runs, 3);
  EXPECT_EQ(model.prompts, 3);
  EXPECT_EQ(model.longest, 640);
  EXPECT_GE(model.decodes, 3 * 128);
  // At least 2 ms for a prompt of 512 tokens, and for each token behind it.
  EXPECT_LE(speed.prompt.fastest, 512 / 0.002);
  EXPECT_LE(speed.decode.fastest, 1 / 0.002);
  EXPECT_GT(speed.decode.slowest, 0);
  // A prompt is one call, so it is as fast as 512 decoding steps; 50 allows for a busy machine.
  EXPECT_GT(speed.prompt.fastest, 50 * speed.decode.fastest);
  EXPECT_LE(speed.prompt.slowest, speed.prompt.median);
  EXPECT_LE(speed.prompt.median, speed.prompt.fastest);
}

TEST(Speed, ASlowModelIsNotRunThreeTimes) {
  ContextOwner context(1, Isa::portable);
  SleepingModel model(4096);
  const Speed speed = measure_speed(context.get(), model, {.enough_seconds = 0});
  EXPECT_EQ(speed.runs, 1);
  EXPECT_EQ(model.prompts, 1);
}

TEST(Speed, AShortModelIsNotRunBeyondItsPositions) {
  ContextOwner context(1, Isa::portable);
  SleepingModel model(100);
  const Speed speed = measure_speed(context.get(), model);
  EXPECT_EQ(speed.prompt_tokens, 50);
  EXPECT_EQ(speed.decode_tokens, 50);
  EXPECT_EQ(model.longest, 100);
}

}  // namespace
}  // namespace farthing
