// Killed with SIGKILL at random instants, a quantization goes on to the same bytes.
#include "apps/support/killed_quantization.h"

namespace farthing {
namespace {

TEST(QuantizeOftenKilled, GoesOnToTheSameBytes) { testing::kill_and_resume(50); }

}  // namespace
}  // namespace farthing
