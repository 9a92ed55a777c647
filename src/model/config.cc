// ModelConfig by the reader of its architecture.
#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "model/model.h"

namespace farthing {
namespace {

std::string known_architectures() {
  std::string out;
  for (const Architecture& architecture : all_architectures())
    for (const std::string_view name : architecture.hugging_face)
      out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

// Factors for each pair of the rotated part, and no more positions than they are meant for.
Result<> check_ropes(const JsonObject& json, ModelConfig& c) {
  for (const RopePlan& rope : c.plan.ropes) {
    const std::vector<float>& factors = rope.parameters.factors;
    const auto pairs = static_cast<size_t>(rope.rotary_dim / 2);
    if (rope.parameters.scaling == RopeScaling::factors && factors.size() != pairs)
      return fail({.what = "the configuration contradicts itself",
                   .where = json.where() + ", the factors of its rope scaling",
                   .got = fmt::format("{} factors", factors.size()),
                   .wanted = fmt::format("{}, half of what is rotated in a head", pairs),
                   .remedy = "check head_dim and short_factor"});
    if (rope.parameters.most_positions > 0)
      c.max_positions = std::min(c.max_positions, rope.parameters.most_positions);
  }
  return {};
}

}  // namespace

Result<ModelConfig> config_from_json(const JsonObject& json) {
  const auto names = TRY(json.strings("architectures"));
  for (const Architecture& architecture : all_architectures()) {
    for (const std::string_view known : architecture.hugging_face) {
      if (names.empty() || names.front() != known) continue;
      ModelConfig c = TRY(architecture.read(json));
      c.architecture = architecture.name;
      TRY(check_ropes(json, c));
      return c;
    }
  }
  return fail({.what = "unknown model architecture",
               .where = json.where() + ", field architectures",
               .got = names.empty() ? "an empty list" : names.front(),
               .wanted = "one of " + known_architectures(),
               .remedy = "use a model of one of these"});
}

}  // namespace farthing
