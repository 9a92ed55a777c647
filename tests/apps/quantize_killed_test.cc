// Killed with SIGKILL at random instants, a quantization goes on to the same bytes.
#include "apps/support/killed_quantization.h"

namespace farthing {
namespace {

TEST(QuantizeKilled, GoesOnToTheSameBytes) { EXPECT_GE(testing::kill_and_resume(4), 1); }

}  // namespace
}  // namespace farthing
