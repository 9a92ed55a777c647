// What a measurement says of itself.
#include "workflows/page/measuring.h"

#include <ctime>

#include "base/cpu.h"

namespace farthing {
namespace {

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return out;
}

}  // namespace

MeasuringProtocol measuring_protocol(const Windows& windows, const EvaluationText& text) {
  return {.context = windows.context(),
          .windows = windows.count(),
          .scored = windows.scored(),
          .summary = windows.protocol(),
          .text = text.name,
          .text_digest = text.digest};
}

MeasuringPlace measuring_place(const Context& context) {
  return {.program = "farthing " FARTHING_VERSION,
          .date = date_now(),
          .cpu = cpu_model(),
          .isa = std::string(isa_name(context.isa)),
          .threads = context.pool.size()};
}

}  // namespace farthing
