// The tests of the promise can fail: they see one unit in the last place of one number, and every
// other kind of difference between trainer and engine.
#include <bit>
#include <limits>

#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::log_probabilities;
using testing::Promise;
using testing::same_bits;

const testing::Sequences& sequences() {
  static const auto all = testing::seventeen_sequences();
  return all;
}

float next_up(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) + 1); }

// What a model that differs from the trainer's in `scheme` or `codec` alone gives.
testing::LogProbabilities engines(Promise& promise, const Model& model, KvCodec codec) {
  return log_probabilities({.batch = 17}, promise.context(), model, codec, sequences());
}

TEST(Difference, OneUnitInTheLastPlaceOfOneLogProbabilityIsSeen) {
  const testing::LogProbabilities a{{-1.0f, -2.0f}, {-3.0f}};
  testing::LogProbabilities b = a;
  EXPECT_TRUE(same_bits(a, b));
  b[1][0] = next_up(b[1][0]);
  EXPECT_FALSE(same_bits(a, b));
}

// Bits, not values: zeros of both signs are equal as numbers, a NaN is not equal to itself.
TEST(Difference, SignsOfZeroDifferAndANanIsItself) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(same_bits(std::vector<float>{0.0f}, std::vector<float>{-0.0f}));
  EXPECT_TRUE(same_bits(std::vector<float>{nan}, std::vector<float>{nan}));
}

TEST(Difference, AMissingRowIsSeen) {
  EXPECT_FALSE(same_bits(testing::LogProbabilities{{1, 2}, {3}}, {{1, 2}}));
  EXPECT_FALSE(same_bits(testing::LogProbabilities{{1, 2}}, {{1}}));
}

TEST(Difference, OneUnitInTheLastPlaceOfOneWeightIsSeen) {
  Promise promise("f32");
  const auto trainers = promise.trainers(sequences());
  const auto engine = promise.engine(promise.context());
  EXPECT_TRUE(same_bits(trainers, engines(promise, *engine, KvCodec::f32)));
  // a panel's first float: the first output's first weight
  PackedWeight& down = engine->weights().linears[6].second->packed;
  ASSERT_EQ((*down.kernel)->packing, Packing::floats);
  float& weight = *reinterpret_cast<float*>(down.packed.data());
  weight = next_up(weight);
  EXPECT_FALSE(same_bits(trainers, engines(promise, *engine, KvCodec::f32)));
}

TEST(Difference, OneUnitInTheLastPlaceOfOneGainIsSeen) {
  Promise promise("int4_g32@int8_token");
  const auto trainers = promise.trainers(sequences());
  const auto engine = promise.engine(promise.context());
  Tensor& gain = engine->weights().vectors.back().second->value;
  Tensor changed(DType::f32, gain.shape());  // the file is mapped for reading
  std::copy_n(std::as_const(gain).as<float>(), gain.shape().elements(), changed.as<float>());
  changed.as<float>()[5] = next_up(changed.as<float>()[5]);
  gain = changed;
  EXPECT_FALSE(same_bits(trainers, engines(promise, *engine, KvCodec::f32)));
}

TEST(Difference, EveryOtherCodecOfTheCacheIsSeen) {
  for (const KvCodec trained : testing::all_codecs()) {
    Promise promise("int4_g32", trained);
    const auto trainers = promise.trainers(sequences());
    const auto engine = promise.engine(promise.context());
    for (const KvCodec served : testing::all_codecs()) {
      if (!engine->check_kv_cache(served)) continue;  // the file holds no scales for it
      EXPECT_EQ(same_bits(trainers, engines(promise, *engine, served)), served == trained)
          << kv_codec_info(trained).name << " " << kv_codec_info(served).name;
    }
  }
}

// The same codes, multiplied with another kind of activations.
TEST(Difference, EveryOtherKindOfActivationsIsSeen) {
  Promise promise("int8_row");
  Context& context = promise.context();
  const auto trainers = promise.trainers(sequences());
  auto& model = const_cast<Model&>(promise.trainer().model());
  for (const std::string& scheme : testing::all_schemes()) {
    const Scheme served = parse_scheme(scheme).value();
    if (served.weights->name != "int8_row") continue;
    const bool scaled = is_static(served.activations) && !has_outliers(served.activations);
    for (const auto& [name, slot] : model.weights().linears)
      if (slot->stored.format == served.weights)
        slot->packed = ops::pack_weight(context, slot->stored,
                                        {served.activations, {scaled ? 0.02f : 0.0f, 0}});
    EXPECT_EQ(same_bits(trainers, engines(promise, model, KvCodec::f32)),
              served.activations == Activations::f32)
        << scheme;
  }
}

TEST(Difference, EveryOtherFormatIsSeen) {
  Promise promise("int4_g32");
  const auto trainers = promise.trainers(sequences());
  // one in four is enough to see that formats differ
  for (const std::string& scheme : testing::schemes_in_turn(4, 1)) {
    const Format& format = *parse_scheme(scheme).value().weights;
    if (format.block > 32) continue;  // has another model
    const Promise other{std::string(format.name)};
    const auto engine = other.engine(promise.context());
    EXPECT_EQ(same_bits(trainers, engines(promise, *engine, KvCodec::f32)),
              format.name == "int4_g32")
        << format.name;
  }
}

}  // namespace
}  // namespace farthing
