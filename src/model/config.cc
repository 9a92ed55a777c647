// ModelConfig by the reader of its architecture.
#include "model/config.h"

#include <fmt/format.h>

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

}  // namespace

Result<ModelConfig> config_from_json(const JsonObject& json) {
  const auto names = TRY(json.strings("architectures"));
  for (const Architecture& architecture : all_architectures()) {
    for (const std::string_view known : architecture.hugging_face) {
      if (names.empty() || names.front() != known) continue;
      ModelConfig c = TRY(architecture.read(json));
      c.architecture = architecture.name;
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
