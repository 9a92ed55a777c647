// The registry of architectures.
#include <array>

#include "base/check.h"
#include "model/model.h"

namespace farthing {

#define FARTHING_ARCHITECTURE(name) Architecture name##_architecture();
#include "model/architectures.inc"
#undef FARTHING_ARCHITECTURE

std::span<const Architecture> all_architectures() {
  static const std::array table = {
#define FARTHING_ARCHITECTURE(name) name##_architecture(),
#include "model/architectures.inc"
#undef FARTHING_ARCHITECTURE
  };
  return table;
}

const Architecture& architecture_of(const ModelConfig& config) {
  for (const Architecture& architecture : all_architectures())
    if (architecture.name == config.architecture) return architecture;
  CHECK(!"a configuration of a known architecture");
  std::abort();
}

}  // namespace farthing
