// Killed with SIGKILL at random instants, a quantization goes on to the same bytes.
#include "apps/support/killed_quantization.h"

namespace farthing {
namespace {

TEST(QuantizeOftenKilled, GoesOnToTheSameBytes) { EXPECT_GE(testing::kill_and_resume(50), 25); }

}  // namespace
}  // namespace farthing
