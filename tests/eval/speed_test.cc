// Tests of the timing of prompt and decode, with a model that sleeps.
#include "eval/speed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "model/support/stub_model.h"

namespace farthing {
namespace {

// Every call takes 2 ms, whatever it is given.
class SleepingModel : public testing::StubModel {
 public:
  explicit SleepingModel(int64_t positions) : StubModel(10, positions) {}
  void write_logits(int32_t, float*) const override {}
  void see(const SequenceTokens& sequence) const override {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    longest = std::max(longest, sequence.sequence->length);
    if (sequence.tokens.size() == 512) ++prompts;
    if (sequence.tokens.size() == 1) ++decodes;
    EXPECT_EQ(sequence.logits, 1);
    for (const int32_t token : sequence.tokens) EXPECT_TRUE(token >= 0 && token < 10);
  }
  mutable int64_t longest = 0, prompts = 0, decodes = 0;
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
