// The list of dialects that are written.
#include <fmt/format.h>

#include <algorithm>
#include <array>

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
