// The promise in full: every scheme, every codec of the KV cache, every instruction set, one thread
// and two, and every way to ask a model.
#include "train/support/promise.h"

namespace farthing {
namespace {

class WholeProduct : public ::testing::TestWithParam<std::tuple<std::string, KvCodec>> {};

TEST_P(WholeProduct, TrainerAndEngineDifferByExactlyZero) {
  const auto& [scheme, codec] = GetParam();
  testing::Promise promise(scheme, codec);
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  for (const testing::Machine& machine : testing::machines())
    testing::expect_engine_gives(trainers, promise, sequences, machine, testing::serving_ways());
}

// Two tiles and two shards of k, several groups of 128, heads of 32.
TEST_P(WholeProduct, TheSameWithAWiderModel) {
  const auto& [scheme, codec] = GetParam();
  testing::Promise promise({.linears = parse_scheme(scheme).value(), .kv_cache = codec},
                           testing::wide_checkpoint());
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  for (const testing::Machine& machine : testing::machines())
    testing::expect_engine_gives(
        trainers, promise, sequences, machine,
        std::vector<testing::Way>{{.batch = 17}, {.batch = 3, .piece = 3}});
}

TEST_P(WholeProduct, TrainersOnAnyMachineMakeTheSameModel) {
  const auto& [scheme, codec] = GetParam();
  const auto sequences = testing::seventeen_sequences();
  testing::LogProbabilities first;
  for (const testing::Machine& machine : testing::machines()) {
    testing::Promise promise({.linears = parse_scheme(scheme).value(), .kv_cache = codec}, nullptr,
                             machine.threads, machine.isa);
    const auto trainers = promise.trainers(sequences);
    if (first.empty()) first = trainers;
    EXPECT_TRUE(testing::same_bits(first, trainers)) << isa_name(machine.isa) << machine.threads;
  }
}

std::string name_of_case(const ::testing::TestParamInfo<WholeProduct::ParamType>& info) {
  return testing::test_name(std::get<0>(info.param)) + "_kv_" +
         std::string(kv_codec_info(std::get<1>(info.param)).name);
}

INSTANTIATE_TEST_SUITE_P(Registry, WholeProduct,
                         ::testing::Combine(::testing::ValuesIn(testing::schemes_in_turn()),
                                            ::testing::ValuesIn(testing::all_codecs())),
                         name_of_case);

}  // namespace
}  // namespace farthing
