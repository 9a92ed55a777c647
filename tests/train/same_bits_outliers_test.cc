// The promise where a calibration leaves many columns of inputs as they are: the trainer and the
// engine that reads its file keep the same ones, and add them to the same bits.
#include "train/support/promise.h"

namespace farthing {
namespace {

using testing::Promise;

// Stories260k has few inputs beyond 6; beyond 1.5 every norm's output has some.
TrainedPrecision precision_of(const char* scheme) {
  return {.linears = parse_scheme(scheme).value(), .outlier_threshold = 1.5f};
}

class OutliersOfTrainer : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Schemes, OutliersOfTrainer,
                         ::testing::Values("int8_row@int8_outliers", "int4_g32_asym@int8_outliers",
                                           "nf4@int8_outliers"));

TEST_P(OutliersOfTrainer, AndOfEngineDifferByExactlyZero) {
  Promise promise(precision_of(GetParam()));
  const auto sequences = testing::seventeen_sequences();
  const auto trainers = promise.trainers(sequences);
  const auto machines = testing::machines();
  const auto ways = testing::serving_ways();
  for (size_t i = 0; i < machines.size(); ++i)
    testing::expect_engine_gives(trainers, promise, sequences, machines[i],
                                 {&ways[i % ways.size()], 1});
}

TEST(OutlierColumns, OfTheTrainerAreThoseOfItsFile) {
  Promise promise(precision_of("int8_row@int8_outliers"));
  ContextOwner owner(1, choose_isa().value());
  const auto engine = promise.engine(owner.get());
  int64_t kept = 0;
  const auto served = engine->weights().linears;
  const auto trained = promise.trainer().model().weights().linears;
  ASSERT_EQ(served.size(), trained.size());
  for (size_t i = 0; i < served.size(); ++i) {
    const OutlierColumns& columns = served[i].second->packed.input.outliers;
    EXPECT_EQ(columns, trained[i].second->packed.input.outliers) << served[i].first;
    kept += columns.count();
  }
  EXPECT_GT(kept, 100);
}

TEST(OutlierColumns, OfACallAreNotTrained) {
  ContextOwner owner(1, choose_isa().value());
  NoProgress quiet;
  const auto from = testing::stories_checkpoint();
  const auto model =
      TrainedModel::create(owner.get(), *from, precision_of("int8_row@int8_outliers_live"), quiet);
  ASSERT_FALSE(model.has_value());
  EXPECT_NE(model.error().remedy.find("int8_row@int8_outliers"), std::string::npos);
}

}  // namespace
}  // namespace farthing
