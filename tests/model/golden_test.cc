// The repository's model gives the logits that transformers gives in f32.
#include "base/cpu.h"
#include "model/support/peer_logits.h"

namespace farthing {
namespace {

// Both sum in f32, in other orders: a sum of 172 products errs by some 1e-6 of its size, and five
// layers amplify that. Measured: 1e-6.
TEST(Stories260k, GivesTransformersLogits) {
  for (const Isa isa : supported_isas()) {
    ContextOwner owner(2, isa);
    const auto model = testing::stories260k(owner.get());
    EXPECT_LE(
        testing::difference_from(owner.get(), *model,
                                 FARTHING_SOURCE_DIR "/tests/model/data/stories260k.safetensors"),
        1e-4)
        << isa_name(isa);
  }
}

}  // namespace
}  // namespace farthing
