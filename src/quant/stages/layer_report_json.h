// A linear's report as JSON: in a manifest, in a stage's file, and on the command line.
#pragma once

#include "base/json_writer.h"
#include "io/json.h"
#include "quant/algorithm.h"

namespace farthing {

// Adds the fields to an object that is open.
void write_report(JsonWriter& json, const LayerReport& report);
Result<LayerReport> read_report(const JsonObject& json);

}  // namespace farthing
