// The fields of a report, written and read.
#include "quant/stages/layer_report_json.h"

namespace farthing {

void write_report(JsonWriter& json, const LayerReport& report) {
  json.field("name", report.name).field("n", report.n).field("k", report.k);
  json.field("format", report.format).field("fallback", report.fallback);
  json.field("bits_per_weight", report.bits_per_weight).field("bytes", report.bytes);
  json.field("relative_squared_error", report.relative_squared_error);
  json.field("output_error_before", report.output_error_before);
  json.field("output_error", report.output_error);
  json.field("damping", report.damping).field("rescaled", report.rescaled);
  json.field("calibration_tokens", report.tokens).field("routed_tokens", report.routed_tokens);
  json.field("clipped", report.encode.clipped);
  json.field("flushed_groups", report.encode.flushed_groups);
  json.field("zero_groups", report.encode.zero_groups);
}

Result<LayerReport> read_report(const JsonObject& json) {
  LayerReport out;
  out.name = TRY(json.string("name"));
  out.n = TRY(json.integer("n"));
  out.k = TRY(json.integer("k"));
  out.format = TRY(json.string("format"));
  out.fallback = TRY(json.string("fallback"));
  out.bits_per_weight = TRY(json.number("bits_per_weight"));
  out.bytes = TRY(json.integer("bytes"));
  out.relative_squared_error = TRY(json.number("relative_squared_error"));
  out.output_error_before = TRY(json.number("output_error_before"));
  out.output_error = TRY(json.number("output_error"));
  out.damping = TRY(json.number("damping"));
  out.rescaled = TRY(json.number("rescaled"));
  out.tokens = TRY(json.integer("calibration_tokens"));
  out.routed_tokens = TRY(json.integer("routed_tokens", out.tokens));
  out.encode.clipped = TRY(json.integer("clipped"));
  out.encode.flushed_groups = TRY(json.integer("flushed_groups"));
  out.encode.zero_groups = TRY(json.integer("zero_groups"));
  return out;
}

}  // namespace farthing
