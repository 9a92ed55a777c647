// Killed with SIGKILL at random instants, a quantization goes on to the same bytes.
#include "apps/support/killed_quantization.h"

namespace farthing {
namespace {

TEST(QuantizeKilled, GoesOnToTheSameBytes) {
  EXPECT_GE(testing::kill_and_resume(4, {"--method", "gptq", "--num-calibration-samples", "32",
                                         "--max-seq-length", "128"}),
            1);
}

TEST(QuantizeKilled, WhileItCalibratesACacheGoesOnToTheSameBytes) {
  EXPECT_GE(
      testing::kill_and_resume(4, {"--kv-cache-dtype", "int8_static", "--kv-cache-range", "mse",
                                   "--num-calibration-samples", "64", "--max-seq-length", "128"}),
      1);
}

}  // namespace
}  // namespace farthing
