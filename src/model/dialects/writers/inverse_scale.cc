// Scales that a dialect holds in another form: as what divides, or times a constant.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/rehearsal.h"
#include "model/dialects/writers/writer.h"

namespace farthing {

Result<float> WriterOptions::inverse_scale(const std::string& tensor, float scale, float guess,
                                           float (*read)(float)) const {
  // Of several the one with the most zero bits at its end: scales come from weights of fewer bits.
  std::optional<float> best;
  int most = -1;
  for (const float candidate :
       {guess, std::nextafter(guess, 0.0f), std::nextafter(guess, HUGE_VALF)}) {
    const int zeros = std::countr_zero(std::bit_cast<uint32_t>(candidate));
    if (read(candidate) != scale || zeros <= most) continue;
    best = candidate;
    most = zeros;
  }
  if (best) return *best;
  if (allow_rounding || rehearsing()) return guess;
  return fail({.what = "no f32 of the form in which the dialect holds scales is exactly this one",
               .where = tensor,
               .got = fmt::format("{}, which would be read as {}", scale, read(guess)),
               .wanted = "the same scale",
               .remedy = "--allow-rounding writes the nearest: off by a part in 10 million"});
}

}  // namespace farthing
