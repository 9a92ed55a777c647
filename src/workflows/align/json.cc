// The alignment as JSON.
#include "base/json_writer.h"
#include "workflows/align/report.h"

namespace farthing {
namespace {

std::string operator_json(const OperatorInfo& info) {
  JsonWriter json;
  json.begin_object().field("kind", operator_name(info.kind)).field("name", info.name);
  return json.field("columns", info.columns).field("rms", info.rms).end_object().take();
}

std::string difference_json(size_t index, const OperatorDifference& d, double rms) {
  JsonWriter json;
  json.begin_object().field("index", static_cast<int64_t>(index)).field("rows", d.rows);
  json.field("rows_differ", d.rows_differ).field("mean", d.mean).field("max", d.max);
  json.field("relative", d.mean / rms).field("window", d.window).field("position", d.position);
  return json.end_object().take();
}

std::string token_json(const AlignedToken& token, double log_p) {
  JsonWriter json;
  json.begin_object().field("window", token.window).field("position", token.position);
  json.field("id", token.id).field("text", token.text).field("log_p", log_p);
  return json.end_object().take();
}

void write_pair(JsonWriter& json, const AlignReport& report, const Alignment& a) {
  json.begin_object().field("name", a.name).field("tokens", a.tokens);
  json.field("mean", a.mean).field("max", a.max).field("deviation", a.deviation);
  json.field("k3_mean", a.k3_mean).field("k3_max", a.k3_max);
  json.field("clip_fraction", a.clip_fraction).field("ratio_mean", a.ratio_mean);
  json.field("logits_compared", a.logits_compared).field("equal_bits", a.equal_bits);
  json.field("operators_compared", !a.operators.empty()).key("first_operator");
  if (const int64_t first = a.first_operator(); first >= 0) {
    const auto i = static_cast<size_t>(first);
    const OperatorInfo& info = report.measured.operators[i];
    json.begin_object().field("index", first).field("kind", operator_name(info.kind));
    json.field("name", info.name).field("window", a.operators[i].window);
    json.field("position", a.operators[i].position).end_object();
  } else {
    json.null();
  }
  json.key("operators_that_differ").begin_array();
  for (size_t i = 0; i < a.operators.size(); ++i)
    if (a.operators[i].rows_differ > 0)
      json.raw(difference_json(i, a.operators[i], report.measured.operators[i].rms));
  json.end_array();
  if (a.max != 0) {
    JsonWriter values;
    values.begin_array();
    for (const double log_p : a.log_p) values.value(log_p);
    json.key("log_p").raw(values.end_array().take());
  }
  json.end_object();
}

}  // namespace

std::string align_json(const AlignReport& report) {
  const AlignedPairs& m = report.measured;
  JsonWriter json(true);
  json.begin_object().field("model", report.model).field("against", report.against);
  json.field("program", report.place.program).field("date", report.place.date);
  json.key("machine").begin_object().field("cpu", report.place.cpu).field("isa", report.place.isa);
  json.field("threads", report.place.threads).end_object();
  json.field("protocol", report.protocol.summary).field("windows", report.protocol.windows);
  json.field("context", report.protocol.context).field("text", report.protocol.text);
  json.field("text_xxh3_128", report.protocol.text_digest).field("kv_cache", report.kv_cache);
  json.field("clip", report.clip).field("bound", report.bound);
  json.field("within_bound", report.within()).field("headline", align_headline(report));
  json.key("batches").begin_array();
  for (const int64_t size : m.batches) json.value(size);
  json.end_array().field("operators_note", m.operators_note);
  json.key("pairs").begin_array();
  for (const Alignment& a : m.pairs) write_pair(json, report, a);
  json.end_array().key("operators").begin_array();
  for (const OperatorInfo& info : m.operators) json.raw(operator_json(info));
  json.end_array().key("tokens").begin_array();
  for (size_t i = 0; i < report.tokens.size(); ++i)
    json.raw(token_json(report.tokens[i], m.log_p[i]));
  return json.end_array().end_object().take();
}

}  // namespace farthing
