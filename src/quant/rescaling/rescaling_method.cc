// The registry of rescaling methods.
#include "quant/rescaling/rescaling_method.h"

#include <array>

namespace farthing {

#define FARTHING_RESCALING(name) RescalingInfo name##_rescaling();
#include "quant/rescaling/rescalings.inc"
#undef FARTHING_RESCALING

std::span<const RescalingInfo> all_rescalings() {
  static const std::array table = {
#define FARTHING_RESCALING(name) name##_rescaling(),
#include "quant/rescaling/rescalings.inc"
#undef FARTHING_RESCALING
  };
  return table;
}

const RescalingInfo* find_rescaling(std::string_view name) {
  for (const RescalingInfo& rescaling : all_rescalings())
    if (rescaling.name == name) return &rescaling;
  return nullptr;
}

}  // namespace farthing
