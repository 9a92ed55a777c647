// The comparison as JSON.
#include "base/json_writer.h"
#include "workflows/compare/compare_report.h"

namespace farthing {
namespace {

void write_estimate(JsonWriter& json, const std::string& name, const Estimate& estimate) {
  json.field(name, estimate.value);
  json.key(name + "_interval").begin_array().value(estimate.low).value(estimate.high).end_array();
}

void write_rate(JsonWriter& json, const std::string& name, const Rate& rate) {
  json.field(name, rate.median);
  json.key(name + "_range").begin_array().value(rate.slowest).value(rate.fastest).end_array();
}

std::string layer_json(const LayerReport& layer) {
  JsonWriter json;
  json.begin_object()
      .field("name", layer.name)
      .field("n", layer.n)
      .field("k", layer.k)
      .field("format", layer.format);
  json.field("bits_per_weight", layer.bits_per_weight).field("bytes", layer.bytes);
  json.field("relative_squared_error", layer.relative_squared_error)
      .field("clipped", layer.encode.clipped);
  if (!layer.fallback.empty()) json.field("fallback", layer.fallback);
  return json.end_object().take();
}

void write_strings(JsonWriter& json, const char* name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

void write_measurements(JsonWriter& json, const CompareRow& row, bool baseline) {
  json.field("bits_per_weight", row.bits_per_weight).field("bytes", row.bytes);
  json.field("peak_memory_bytes", row.peak_memory_bytes);
  write_estimate(json, "perplexity", row.quality.perplexity);
  if (!baseline) {
    write_estimate(json, "perplexity_increase", row.quality.perplexity_increase);
    write_estimate(json, "kl_mean", row.quality.kl_mean);
    write_estimate(json, "kl_p99", row.quality.kl_p99);
    write_estimate(json, "top1_agreement", row.quality.top1_agreement);
  }
  write_rate(json, "prompt_tokens_per_second", row.speed.prompt);
  write_rate(json, "decode_tokens_per_second", row.speed.decode);
  json.field("speed_runs", row.speed.runs);
}

void write_row(JsonWriter& json, const CompareRow& row) {
  json.begin_object()
      .field("name", row.name())
      .field("scheme", row.scheme)
      .field("format", row.format);
  json.field("activations", row.activations).field("method", row.method).key("scale_rule");
  row.scale_rule.empty() ? json.null() : json.value(row.scale_rule);
  json.key("error");
  row.error.empty() ? json.null() : json.value(row.error);
  if (row.error.empty()) {
    json.field("relative_squared_error", mean_relative_squared_error(row.layers));
    write_measurements(json, row, false);
    json.field("quantize_seconds", row.quantize_seconds);
    write_strings(json, "fallbacks", row.fallbacks);
    json.key("trials").begin_array();
    for (const MethodTrial& trial : row.trials) {
      json.begin_object().field("method", trial.method);
      if (trial.error.empty()) {
        write_estimate(json, "kl_mean", trial.kl);
      } else {
        json.field("error", trial.error);
      }
      json.end_object();
    }
    json.end_array();
    json.key("layers").begin_array();
    for (const LayerReport& layer : row.layers) json.raw(layer_json(layer));
    json.end_array();
  }
  json.end_object();
}

void write_advice(JsonWriter& json, const char* name, const std::vector<Advice>& list) {
  json.key(name).begin_array();
  for (const Advice& advice : list)
    json.begin_object().field("name", advice.name).field("reason", advice.reason).end_object();
  json.end_array();
}

}  // namespace

std::string compare_json(const CompareReport& report) {
  JsonWriter json(true);
  json.begin_object().field("model", report.model).field("program", report.place.program);
  json.field("date", report.place.date);
  json.key("machine").begin_object().field("cpu", report.place.cpu).field("isa", report.place.isa);
  json.field("threads", report.place.threads).end_object();

  const MeasuringProtocol& protocol = report.protocol;
  json.key("protocol")
      .begin_object()
      .field("summary", protocol.summary)
      .field("context", protocol.context);
  json.field("stride", protocol.context).field("bos", false).field("tokens", protocol.tokens());
  json.field("windows", protocol.windows)
      .field("scored_tokens", protocol.windows * protocol.scored);
  json.field("text", protocol.text).field("text_xxh3_128", protocol.text_digest);
  json.field("interval", "95 %, percentiles of a paired bootstrap over windows");
  json.field("bootstrap_resamples", default_resamples);
  const Speed& speed = report.baseline.speed;
  json.field("speed_prompt_tokens", speed.prompt_tokens)
      .field("speed_decode_tokens", speed.decode_tokens)
      .end_object();
  write_strings(json, "notes", report.notes);

  json.key("baseline").begin_object().field("format", report.baseline.format);
  json.field("activations", report.baseline.activations);
  write_measurements(json, report.baseline, true);
  json.end_object().key("rows").begin_array();
  for (const CompareRow& row : report.rows) write_row(json, row);
  json.end_array();

  const Recommendation& r = report.recommendation;
  json.key("recommendation").begin_object().field("name", r.name).field("kl_bound", r.kl_bound);
  json.field("within_bound", r.within_bound).field("headline", r.headline);
  json.field("command", r.command);
  write_strings(json, "reasons", r.reasons);
  write_advice(json, "alternatives", r.alternatives);
  write_advice(json, "avoid", r.avoid);
  write_strings(json, "cautions", r.cautions);
  return json.end_object().end_object().take();
}

}  // namespace farthing
