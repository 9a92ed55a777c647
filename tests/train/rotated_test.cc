// A rotated model is trained in the function that serves it, and its gradients pass the rotations.
#include <cmath>

#include "quant/rotation/rotated_checkpoint.h"
#include "train/support/promise.h"

namespace farthing {
namespace {

std::unique_ptr<Checkpoint> rotated(Checkpoint& from, const char* names) {
  return rotated_checkpoint(from, parse_rotation(names).value()).value();
}

TEST(Rotated, IsServedInTheBitsThatItWasTrainedIn) {
  const auto sequences = testing::seventeen_sequences();
  const auto ways = testing::serving_ways();
  for (const auto& from : {testing::stories_checkpoint(), testing::wide_checkpoint()}) {
    testing::Promise promise({.linears = parse_scheme("int4_g32@int8_token").value()},
                             rotated(*from, "r1,r2,r3,r4"));
    const auto trainers = promise.trainers(sequences);
    for (const testing::Machine& machine : testing::machines())
      testing::expect_engine_gives(trainers, promise, sequences, machine, {&ways[1], 1});
    testing::expect_engine_gives(trainers, promise, sequences, testing::machines().back(), ways);
  }
}

// R3 and R4 change no other linear's part in the function, so all gradients but those of what R4 is
// folded into are the unrotated model's: f32 sums of some hundred terms in other orders, 1e-5 of
// the gradient's length, and ten times for what cancels.
TEST(Rotated, GradientsPassTheOnlineRotations) {
  ContextOwner owner(2, supported_isas().back());
  const auto from = testing::stories_checkpoint();
  const auto turned = rotated(*from, "r3,r4");
  const TrainedPrecision precision{.linears = parse_scheme("f32").value()};
  const testing::Examples examples;
  const auto gradients = [&](Checkpoint& of) {
    auto model = testing::trained(owner.get(), of, precision, 0);
    model->clear_gradients(owner.get());
    model->accumulate_gradients(owner.get(), examples.sequences, 1.0f / 92, false);
    model->pass_gradients(owner.get());
    return model;
  };
  const auto a = gradients(*from), b = gradients(*turned);
  for (size_t i = 0; i < a->parameters().size(); ++i) {
    const Parameter &p = *a->parameters()[i], &q = *b->parameters()[i];
    double squares = 0, difference = 0;
    for (int64_t j = 0; j < p.gradient.shape().elements(); ++j) {
      const double x = p.gradient.as<float>()[j], y = q.gradient.as<float>()[j];
      squares += x * x;
      difference += (x - y) * (x - y);
    }
    const double relative = std::sqrt(difference / squares);
    if (p.name.find("down_proj") == std::string::npos) {
      EXPECT_LT(relative, 1e-4) << p.name;
    } else {
      EXPECT_GT(relative, 0.1) << p.name;
    }
  }
}

}  // namespace
}  // namespace farthing
