// What a measurement says of itself.
#include "workflows/measuring.h"

#include "base/cpu.h"
#include "page/page.h"

namespace farthing {
MeasuringProtocol measuring_protocol(const Windows& windows, const EvaluationText& text) {
  return {.context = windows.context(),
          .windows = windows.count(),
          .scored = windows.scored(),
          .summary = windows.protocol(),
          .text = text.name,
          .text_digest = text.digest};
}

MeasuringPlace measuring_place(const Context& context) {
  return {.program = program_name(),
          .date = date_now(),
          .cpu = cpu_model(),
          .isa = std::string(isa_name(context.isa)),
          .threads = context.pool.size()};
}

}  // namespace farthing
