// Every architecture is trained in the function that serves it, with PyTorch's gradients.
#include <cmath>

#include "io/safetensors/safetensors.h"
#include "model/support/families.h"
#include "model/transposed.h"
#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::family_path;

class TrainedFamily : public ::testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Checkpoint> checkpoint() {
    return Checkpoint::open(family_path(GetParam())).value();
  }
  // Which format it is quantized to: another one for each family.
  static std::string scheme() {
    constexpr const char* schemes[] = {
        "int4_g16",    "int8_row@int8_token",         "int4_g32_asym@int8_block32",
        "mxfp4@mxfp8", "fp8_e4m3_row@fp8_e4m3_token", "q4_0",
        "f32"};
    const auto names = testing::families();
    const auto place = std::find(names.begin(), names.end(), GetParam()) - names.begin();
    return schemes[static_cast<size_t>(place) % std::size(schemes)];
  }
};

// f32 sums of some hundred terms in other orders: 1e-5 of the gradient's length, and ten times for
// what cancels in it. A bias of keys shifts a row's scores alike: its gradient is 0, and what is
// left are roundings of terms of size 1.
TEST_P(TrainedFamily, HasPyTorchsGradients) {
  ContextOwner owner(2, choose_isa().value());
  const auto from = checkpoint();
  const auto model =
      testing::trained(owner.get(), *from, {.linears = parse_scheme("f32").value()}, 0);
  const auto golden = SafetensorsFile::open(family_path(GetParam()) / "golden.safetensors").value();
  const Tensor stored = golden.tensor("tokens").value();
  const std::span<const int32_t> tokens(stored.as<int32_t>(),
                                        static_cast<size_t>(stored.shape()[0]));
  const TrainingSequence sequence{tokens.first(tokens.size() - 1), tokens.subspan(1)};
  model->clear_gradients(owner.get());
  model->accumulate_gradients(owner.get(), {&sequence, 1}, 1.0f, false);
  model->pass_gradients(owner.get());
  for (const auto& p : model->parameters()) {
    const Tensor expected = golden.tensor("gradient." + p->name).value();
    bool turned = false;
    for (const LinearSpec& spec : tensors_of(from->config()).linears)
      if (spec.name == p->name) turned = spec.transposed;
    const Tensor gradient = turned ? transposed(p->gradient) : p->gradient;
    double squares = 0, product = 0;
    for (int64_t i = 0; i < gradient.shape().elements(); ++i) {
      const double g = gradient.as<float>()[i];
      squares += g * g;
      product += g * std::cos(static_cast<double>(i));
    }
    const double length = expected.as<float>()[0];
    const double tolerance = 1e-4 * length + 1e-5;
    EXPECT_NEAR(std::sqrt(squares), length, tolerance) << p->name;
    EXPECT_NEAR(product, expected.as<float>()[1], tolerance) << p->name;
  }
}

TEST_P(TrainedFamily, IsServedInTheBitsThatItWasTrainedIn) {
  const auto vocabulary = static_cast<int32_t>(checkpoint()->config().vocabulary_size);
  const auto sequences = testing::seventeen_sequences(vocabulary);
  testing::Promise promise({.linears = parse_scheme(scheme()).value()}, checkpoint());
  const auto trainers = promise.trainers(sequences);
  const auto ways = testing::serving_ways();
  for (const testing::Machine& machine : testing::machines())
    testing::expect_engine_gives(trainers, promise, sequences, machine, {&ways[1], 1});
  testing::expect_engine_gives(trainers, promise, sequences, testing::machines().back(), ways);
}

INSTANTIATE_TEST_SUITE_P(Architectures, TrainedFamily, ::testing::ValuesIn(testing::families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
