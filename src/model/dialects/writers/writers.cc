// The list of dialects that are written.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/rehearsal.h"
#include "model/dialects/writers/writer.h"

namespace farthing {

#define FARTHING_DIALECT_TARGET(name) DialectTarget name##_target();
#include "model/dialects/writers/writers.inc"
#undef FARTHING_DIALECT_TARGET

std::span<const DialectTarget> all_dialect_targets() {
  static const std::array table = {
#define FARTHING_DIALECT_TARGET(name) name##_target(),
#include "model/dialects/writers/writers.inc"
#undef FARTHING_DIALECT_TARGET
  };
  return table;
}

const DialectTarget* find_dialect_target(std::string_view name) {
  const auto same = [](char a, char b) {
    return a == b || (a == '-' && b == '_') || (a == '_' && b == '-');
  };
  for (const DialectTarget& target : all_dialect_targets())
    if (std::ranges::equal(target.name, name, same)) return &target;
  return nullptr;
}

std::string dialect_target_names() {
  std::string out;
  for (const DialectTarget& target : all_dialect_targets())
    out += (out.empty() ? "" : ", ") + std::string(target.name);
  return out;
}

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

Error not_held(std::string_view target, const Scheme& scheme, std::string holds,
               std::string_view instead) {
  return {.what = fmt::format("{} has no place for these weights", target),
          .where = "",
          .got = fmt::format("{}@{}", scheme.weights->name, activations_name(scheme.activations)),
          .wanted = std::move(holds),
          .remedy = fmt::format(
              "quantize the unquantized model anew, `farthing quantize MODEL --format {} --method "
              "gptq -o DIR`, which prints what that loses, and convert DIR",
              instead)};
}

}  // namespace farthing
