// A report of sensitivity as text, JSON, and a page with a bar for each part.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/html_text.h"
#include "base/json_writer.h"
#include "base/table_text.h"
#include "page/page.h"
#include "workflows/sensitivity/sensitivity.h"

namespace farthing {
namespace {

// Parts by the KL that they cost in the first format, the dearest first.
std::vector<size_t> by_cost(const SensitivityReport& report) {
  std::vector<size_t> out(report.parts.size());
  std::iota(out.begin(), out.end(), size_t{0});
  std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    return report.parts[a].costs[0].kl > report.parts[b].costs[0].kl;
  });
  return out;
}

struct Share {
  double weights = 0, kl = 0;  // of all
};
Share share_of(const SensitivityReport& report, size_t part) {
  double weights = 0, kl = 0;
  for (const PartSensitivity& each : report.parts) {
    weights += static_cast<double>(each.weights);
    kl += each.costs[0].kl;
  }
  const PartSensitivity& it = report.parts[part];
  return {static_cast<double>(it.weights) / weights, kl > 0 ? it.costs[0].kl / kl : 0};
}

// The few parts that cost the most for their size, and why they should be kept.
std::vector<std::string> advice(const SensitivityReport& report) {
  std::vector<std::string> out;
  for (const size_t i : by_cost(report)) {
    const Share share = share_of(report, i);
    if (share.kl < 3 * share.weights || share.kl < 0.01) continue;
    out.push_back(fmt::format(
        "{}: {:.1f} % of the weights, {:.1f} % of the damage that {} does to single parts",
        report.parts[i].name, 100 * share.weights, 100 * share.kl, report.formats[0]));
    if (out.size() == 10) break;
  }
  return out;
}

std::string budget_text(const SensitivityReport& report) {
  if (!report.chosen_bits) return {};
  std::map<std::string, int64_t> weights;
  int64_t all = 0;
  for (const PartSensitivity& part : report.parts) {
    weights[report.formats[part.chosen]] += part.weights;
    all += part.weights;
  }
  std::string out = fmt::format("{:.3f} bits a weight:", *report.chosen_bits);
  for (const auto& [format, count] : weights)
    out += fmt::format(" {:.1f} % of the weights in {}{}",
                       100.0 * static_cast<double>(count) / static_cast<double>(all), format,
                       format == weights.rbegin()->first ? "" : ",");
  return out + fmt::format("; the sum of their KL is {:.4f}", *report.chosen_kl);
}

std::string bars_html(const SensitivityReport& report, size_t format) {
  double most = 0;
  for (const PartSensitivity& part : report.parts) most = std::max(most, part.costs[format].kl);
  std::string rows;
  for (const PartSensitivity& part : report.parts) {
    const double kl = part.costs[format].kl, width = most > 0 ? 100 * kl / most : 0;
    rows += fmt::format(
        "<tr><td>{}</td><td>{:.2e}</td><td style=\"width:60%\"><div style=\"height:0.8em;"
        "width:{:.1f}%;background:#b4532a\"></div></td></tr>\n",
        html_text(part.name), kl, std::max(width, 0.0));
  }
  return fmt::format(
      "<section><h2>{}</h2><p>All together: KL {:.4f} nats.</p><table>\n{}</table>"
      "</section>\n",
      html_text(report.formats[format]), report.together[format], rows);
}

}  // namespace

std::string sensitivity_text(const SensitivityReport& report) {
  std::vector<std::vector<std::string>> rows{{"quantized alone", "weights, %"}};
  for (const std::string& format : report.formats) rows[0].push_back("KL, " + format);
  if (report.chosen_bits) rows[0].push_back("gets");
  for (const size_t i : by_cost(report)) {
    const PartSensitivity& part = report.parts[i];
    rows.push_back({part.name, fmt::format("{:.2f}", 100 * share_of(report, i).weights)});
    for (const PartCost& cost : part.costs) rows.back().push_back(fmt::format("{:.2e}", cost.kl));
    if (report.chosen_bits) rows.back().push_back(report.formats[part.chosen]);
  }
  rows.push_back({"all together", "100"});
  for (const double kl : report.together) rows.back().push_back(fmt::format("{:.2e}", kl));
  if (report.chosen_bits) rows.back().emplace_back();
  std::string out = fmt::format("{}\n{}\non {}\n\n{}\n", report.model, report.protocol.summary,
                                report.protocol.text, table_text(rows));
  const auto keep = advice(report);
  if (!keep.empty()) out += "Give these more bits\n";
  for (const std::string& line : keep) out += "  " + line + "\n";
  if (report.chosen_bits) out += budget_text(report) + "\n\n" + report.recipe;
  return out;
}

std::string sensitivity_json(const SensitivityReport& report) {
  JsonWriter json(true);
  json.begin_object()
      .field("model", report.model)
      .field("method", report.method)
      .field("part", part_name(report.part));
  json.field("outlier_threshold", report.outlier_threshold);
  json.field("text", report.protocol.text).field("text_digest", report.protocol.text_digest);
  json.field("windows", report.protocol.windows).field("context", report.protocol.context);
  json.field("program", report.place.program).field("cpu", report.place.cpu);
  json.field("isa", report.place.isa).field("threads", report.place.threads);
  json.key("formats").begin_array();
  for (const std::string& format : report.formats) json.value(format);
  json.end_array().key("together").begin_array();
  for (const double kl : report.together) json.value(kl);
  json.end_array().key("parts").begin_array();
  for (const PartSensitivity& part : report.parts) {
    json.begin_object().field("name", part.name).field("weights", part.weights);
    json.key("kl").begin_array();
    for (const PartCost& cost : part.costs) json.value(cost.kl);
    json.end_array().key("bytes").begin_array();
    for (const PartCost& cost : part.costs) json.value(cost.bytes);
    json.end_array();
    if (report.chosen_bits) json.field("format", report.formats[part.chosen]);
    json.end_object();
  }
  json.end_array().key("keep").begin_array();
  for (const std::string& line : advice(report)) json.value(line);
  json.end_array();
  if (report.chosen_bits) {
    json.field("bits_per_weight", *report.chosen_bits).field("kl_sum", *report.chosen_kl);
    json.field("recipe", report.recipe);
  }
  json.end_object();
  return json.take();
}

std::string sensitivity_html(const SensitivityReport& report) {
  Page page{.name = file_name(report.model),
            .kind = "sensitivity report",
            .lead = {"What quantizing each " + std::string(part_name(report.part)) +
                         " alone costs: mean KL to the unquantized model, nats",
                     report.protocol.summary + ", on " + report.protocol.text},
            .main = {},
            .footer = fmt::format("{}, {}; {}", program_name(), date_now(), report.place.cpu)};
  const auto keep = advice(report);
  if (!keep.empty())
    page.main += "<section><h2>Give these more bits</h2>" + list_html(keep) + "</section>\n";
  if (report.chosen_bits)
    page.main += "<section><h2>Within the budget</h2><p>" + html_text(budget_text(report)) +
                 "</p><pre>" + html_text(report.recipe) + "</pre></section>\n";
  for (size_t format = 0; format < report.formats.size(); ++format)
    page.main += bars_html(report, format);
  return page_html(page);
}

}  // namespace farthing
