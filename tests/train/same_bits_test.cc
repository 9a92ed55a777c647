// The promise: what the trainer runs and what the engine runs from the exported file are one
// function. Over every format of the registry.
#include <cstring>

#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::Promise;
using testing::trained;

class Trained : public ::testing::TestWithParam<std::string> {
 protected:
  static TrainedPrecision precision(KvCodec codec = KvCodec::f32) {
    return {.linears = parse_scheme(GetParam()).value(), .kv_cache = codec};
  }
  const std::unique_ptr<Checkpoint> checkpoint_ =
      testing::checkpoint_for(parse_scheme(GetParam()).value());
};

class TrainerAndEngine : public ::testing::TestWithParam<std::string> {};

// same_bits_slow_test.cc runs every way on every machine. Here each way has one, and another one
// for the next scheme; a single way has the portable kernels, which take ten times as long.
TEST_P(TrainerAndEngine, DifferByExactlyZero) {
  Promise promise(GetParam());
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  const auto machines = testing::machines();
  std::vector<testing::Machine> vectors;
  std::copy_if(machines.begin(), machines.end(), std::back_inserter(vectors),
               [](const testing::Machine& m) { return m.isa != Isa::portable; });
  if (vectors.empty()) vectors = machines;
  const auto ways = testing::serving_ways();
  const size_t scheme = testing::place_of_scheme(GetParam());
  for (size_t i = 0; i < ways.size(); ++i) {
    const size_t way = (scheme + i) % ways.size();
    const auto& machine = i == 0 ? machines.front() : vectors[i % vectors.size()];
    testing::expect_engine_gives(trainers, promise, sequences, machine, {&ways[way], 1});
  }
}

TEST_P(Trained, LowersTheLoss) {
  ContextOwner owner(2, choose_isa().value());
  const testing::Examples examples;
  const auto before = trained(owner.get(), *checkpoint_, precision(), 0);
  const auto after = trained(owner.get(), *checkpoint_, precision(), 3);
  EXPECT_LT(after->loss(owner.get(), examples.sequences),
            before->loss(owner.get(), examples.sequences));
}

void expect_same_masters(const TrainedModel& a, const TrainedModel& b) {
  ASSERT_EQ(a.parameters().size(), b.parameters().size());
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    const Tensor &x = a.parameters()[i]->value, &y = b.parameters()[i]->value;
    EXPECT_EQ(std::memcmp(x.data(), y.data(), static_cast<size_t>(x.bytes())), 0)
        << a.parameters()[i]->name;
  }
}

TEST_P(Trained, ThreadsChangeNoBit) {
  ContextOwner one(1, choose_isa().value());
  const auto first = trained(one.get(), *checkpoint_, precision(KvCodec::int8), 2);
  for (const int threads : {2, 3}) {
    ContextOwner owner(threads, choose_isa().value());
    expect_same_masters(*first, *trained(owner.get(), *checkpoint_, precision(KvCodec::int8), 2));
  }
}

TEST_P(Trained, GradientCheckpointingChangesNoBit) {
  ContextOwner owner(2, choose_isa().value());
  expect_same_masters(*trained(owner.get(), *checkpoint_, precision(), 2),
                      *trained(owner.get(), *checkpoint_, precision(), 2, true));
}

INSTANTIATE_TEST_SUITE_P(Registry, TrainerAndEngine,
                         ::testing::ValuesIn(testing::schemes_in_turn()),
                         [](const auto& info) { return testing::test_name(info.param); });

INSTANTIATE_TEST_SUITE_P(Registry, Trained, ::testing::ValuesIn(testing::schemes_in_turn(3, 1)),
                         [](const auto& info) { return testing::test_name(info.param); });

// Scales that training moved are exported as they are, in every format that can learn them.
class TrainerAndEngineWithLearnedScales : public ::testing::TestWithParam<std::string> {};

constexpr RoundingOptions learned{.scales = ScaleTraining::learned};

TEST_P(TrainerAndEngineWithLearnedScales, DifferByExactlyZero) {
  const auto sequences = testing::seventeen_sequences();
  Promise promise({.linears = parse_scheme(GetParam()).value(), .rounding = learned});
  const auto trainers = promise.trainers(sequences);
  EXPECT_FALSE(testing::same_bits(trainers, Promise(GetParam()).trainers(sequences)));
  const auto ways = testing::serving_ways();
  const size_t way = testing::place_of_scheme(GetParam()) % ways.size();
  testing::expect_engine_gives(trainers, promise, sequences, testing::machines().back(),
                               {&ways[way], 1});
}

std::vector<std::string> schemes_with_learned_scales() {
  auto out = testing::schemes_in_turn(2, 1);
  std::erase_if(out, [](const std::string& scheme) {
    return !can_round(*parse_scheme(scheme).value().weights, learned);
  });
  return out;
}

INSTANTIATE_TEST_SUITE_P(Registry, TrainerAndEngineWithLearnedScales,
                         ::testing::ValuesIn(schemes_with_learned_scales()),
                         [](const auto& info) { return testing::test_name(info.param); });

}  // namespace
}  // namespace farthing
