// The promise on random combinations of everything. FARTHING_TEST_SEED runs a printed seed again.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/random.h"
#include "train/support/promise.h"

namespace farthing {
namespace {

uint64_t seed() {
  if (const char* given = std::getenv("FARTHING_TEST_SEED"))
    return std::strtoull(given, nullptr, 10);
  return std::random_device()();
}

class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}
  size_t below(size_t count) { return random_bits(seed_, stream_, next_++) % count; }
  template <class List>
  auto one_of(const List& list) {
    return list[below(list.size())];
  }

 private:
  uint64_t seed_, stream_, next_ = 0;
};

TrainedPrecision random_precision(Dice& dice) {
  const auto schemes = testing::all_schemes();
  TrainedPrecision out{.linears = parse_scheme(dice.one_of(schemes)).value()};
  if (!out.linears.weights->scale_rules.empty() && dice.below(2) == 0)
    out.scale_rule = dice.one_of(out.linears.weights->scale_rules);
  if (dice.below(2) == 0) out.tables = parse_scheme(dice.one_of(schemes)).value();
  out.kv_cache = dice.one_of(testing::all_codecs());
  return out;
}

testing::Sequences random_sequences(Dice& dice) {
  testing::Sequences out(1 + dice.below(17));
  for (auto& sequence : out) {
    sequence.resize(1 + dice.below(dice.below(8) == 0 ? 300 : 20));
    for (int32_t& token : sequence) token = static_cast<int32_t>(dice.below(512));
  }
  return out;
}

std::string text_of(const TrainedPrecision& p) {
  return fmt::format("linears {}, tables {}, KV cache {}", p.linears.name(),
                     p.tables ? p.tables->name() : "as they are", kv_codec_info(*p.kv_cache).name);
}

void check_combination(uint64_t seed, uint64_t index) {
  Dice dice(seed, index);
  const TrainedPrecision precision = random_precision(dice);
  const bool wide = dice.below(6) == 0;
  const Isa trained_on = dice.one_of(supported_isas());
  SCOPED_TRACE(fmt::format("FARTHING_TEST_SEED={}, combination {}: {}{}, trained on {}", seed,
                           index, text_of(precision), wide ? ", wide" : "", isa_name(trained_on)));
  testing::Promise promise(precision, wide ? testing::wide_checkpoint() : nullptr,
                           static_cast<int>(1 + dice.below(3)), trained_on);
  const auto sequences = random_sequences(dice);
  const auto trainers = promise.trainers(sequences);
  const testing::Machine machine{dice.one_of(supported_isas()),
                                 static_cast<int>(1 + dice.below(4))};
  testing::Way pieces{.batch = 1 + dice.below(17), .piece = 1 + dice.below(64)};
  testing::expect_engine_gives(
      trainers, promise, sequences, machine,
      std::vector<testing::Way>{pieces, {.batch = 1 + dice.below(17), .padded = true}});
  ContextOwner owner(machine.threads, machine.isa);
  testing::expect_requests_give(
      trainers, owner.get(), *promise.engine(owner.get()), promise.codec(), sequences,
      static_cast<int64_t>(1 + dice.below(17)), static_cast<int64_t>(1 + dice.below(300)));
}

TEST(RandomCombinations, TrainerAndEngineDifferByExactlyZero) {
  const uint64_t chosen = seed();
  std::printf("FARTHING_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
  for (uint64_t index = 0; index < 5; ++index) check_combination(chosen, index);
}

}  // namespace
}  // namespace farthing
