// The promise for batches of 1, 3 and 17: the trainer's, with gradients recorded, and the engine's
// requests. And for every codec of the KV cache.
#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::log_probabilities;
using testing::Promise;
using testing::same_bits;

class Batches : public ::testing::TestWithParam<std::string> {};

// Padded batches, and those that run their blocks again in the backward pass, too.
TEST_P(Batches, RecordingGradientsInBatchesOfAnySizeChangesNoBit) {
  Promise promise(GetParam());
  const auto sequences = testing::seventeen_sequences();
  const auto untaped = log_probabilities({.batch = 1}, promise.context(), promise.trainer().model(),
                                         promise.codec(), sequences);
  for (const testing::Way& way : testing::training_ways())
    EXPECT_TRUE(
        same_bits(untaped, log_probabilities(way, promise.context(), promise.trainer().model(),
                                             promise.codec(), sequences)))
        << name_of(way);
}

TEST_P(Batches, RequestsOfTheEngineGiveTheTrainersLogProbabilities) {
  Promise promise(GetParam());
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  for (const auto& [batch, step_tokens] :
       {std::pair{1, 512}, std::pair{3, 29}, std::pair{17, 512}}) {
    ContextOwner owner(1 + batch % 2, choose_isa().value());
    const auto engine = promise.engine(owner.get());
    testing::expect_requests_give(trainers, owner.get(), *engine, promise.codec(), sequences, batch,
                                  step_tokens);
  }
}

// The loss of a batch is the sum of its tokens' log-probabilities, in double, in their order: what
// the trainer descends on is what the engine gives to its requests.
TEST_P(Batches, TheTrainersLossIsTheSumOfTheEnginesLogProbabilities) {
  Promise promise(GetParam());
  const auto sequences = testing::seventeen_sequences();
  ContextOwner owner(2, choose_isa().value());
  const auto engine = promise.engine(owner.get());
  const auto engines = testing::of_next_tokens(
      log_probabilities({.batch = 3, .piece = 3}, owner.get(), *engine, promise.codec(), sequences),
      sequences);
  for (const size_t batch : {1, 3, 17}) {
    for (size_t begin = 0; begin < sequences.size(); begin += batch) {
      std::vector<TrainingSequence> examples;
      double expected = 0;
      for (size_t i = begin; i < std::min(begin + batch, sequences.size()); ++i) {
        if (sequences[i].size() < 2) continue;
        const auto tokens = std::span(sequences[i]);
        examples.push_back({tokens.first(tokens.size() - 1), tokens.subspan(1)});
        for (const float log_probability : engines[i]) expected -= log_probability;
      }
      if (examples.empty()) continue;
      EXPECT_EQ(promise.trainer().accumulate_gradients(promise.context(), examples, 1, false),
                expected)
          << "batch " << batch << " from " << begin;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, Batches, ::testing::ValuesIn(testing::schemes_in_turn(6, 1)),
                         [](const auto& info) { return testing::test_name(info.param); });

class Codecs : public ::testing::TestWithParam<KvCodec> {};

TEST_P(Codecs, TrainerAndEngineDifferByExactlyZero) {
  Promise promise("int4_g32@int8_block32", GetParam());
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  for (const testing::Machine& machine : testing::machines())
    testing::expect_engine_gives(
        trainers, promise, sequences, machine,
        std::vector<testing::Way>{
            {.batch = 1}, {.batch = 17, .piece = 1}, {.batch = 3, .padded = true}});
  ContextOwner owner(2, choose_isa().value());
  testing::expect_requests_give(trainers, owner.get(), *promise.engine(owner.get()),
                                promise.codec(), sequences, 17, 64);
}

INSTANTIATE_TEST_SUITE_P(Registry, Codecs, ::testing::ValuesIn(testing::all_codecs()),
                         [](const auto& info) {
                           return std::string(kv_codec_info(info.param).name);
                         });

}  // namespace
}  // namespace farthing
