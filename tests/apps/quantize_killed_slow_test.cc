// Killed with SIGKILL at random instants, a quantization goes on to the same bytes.
#include "apps/support/killed_quantization.h"

namespace farthing {
namespace {

TEST(QuantizeOftenKilled, GoesOnToTheSameBytes) {
  EXPECT_GE(
      testing::kill_and_resume(50, {"--method", "gptq", "--kv-cache-dtype", "int8_static",
                                    "--num-calibration-samples", "32", "--max-seq-length", "128"}),
      25);
}

}  // namespace
}  // namespace farthing
