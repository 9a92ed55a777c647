// Fuzz target: a config.json that holds any bytes, the model's configuration that comes of it, and
// the names and shapes that a checkpoint is then asked for.
#include "base/check.h"
#include "io/json.h"
#include "model/config.h"
#include "model/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = farthing::JsonObject::parse(text, "config.json");
  if (!json) {
    CHECK(json.error().where.starts_with("config.json") && !json.error().text().empty());
    return 0;
  }
  // What was read is written and read again as itself.
  const auto again = farthing::JsonObject::parse(json->text(), "config.json");
  CHECK(again.has_value() && again->text() == json->text());
  const auto config = farthing::config_from_json(*json);
  if (!config) {
    CHECK(config.error().where.starts_with("config.json"));
    return 0;
  }
  CHECK(config->layers >= 1 && config->layers <= 4096);
  CHECK(config->heads >= 1 && config->kv_heads >= 1 && config->head_dim >= 2);
  if (config->layers > 8) return 0;  // each costs a dozen names
  const farthing::TensorSpecs specs = farthing::tensors_of(*config);
  for (const auto* list : {&specs.tables, &specs.linears}) {
    for (const farthing::LinearSpec& spec : *list)  // no product that a model allocates overflows
      CHECK(spec.n >= 1 && spec.k >= 1 && spec.n <= INT64_MAX / 64 / spec.k);
  }
  for (const farthing::VectorSpec& spec : specs.vectors) CHECK(spec.size >= 1);
  return 0;
}
