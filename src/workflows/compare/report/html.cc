// The comparison as a page: compare.html filled.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/html_text.h"
#include "page/number_text.h"
#include "page/page.h"
#include "workflows/compare/compare_report.h"

namespace farthing {

// Built into the program by farthing_embed in src/CMakeLists.txt.
namespace embedded {
extern const std::string_view compare_html, compare_css, compare_js;
}

namespace {

std::string advice_html(const Recommendation& r) {
  std::string out = "<div class=\"advice\">";
  const auto add = [&](const char* title, const std::vector<Advice>& list) {
    if (list.empty()) return;
    out += fmt::format("<div><h3>{}</h3><ul>", title);
    for (const Advice& advice : list)
      out +=
          fmt::format("<li><b>{}</b>: {}</li>", html_text(advice.name), html_text(advice.reason));
    out += "</ul></div>";
  };
  add("For other aims", r.alternatives);
  add("Rather not", r.avoid);
  if (!r.cautions.empty())
    out += "<div><h3>How sure this is</h3>" + list_html(r.cautions) + "</div>";
  return out + "</div>";
}

const CompareRow* row_named(const CompareReport& report, const std::string& name) {
  for (const CompareRow& row : report.rows)
    if (row.error.empty() && row.name() == name) return &row;
  return nullptr;
}

std::string tiles_html(const CompareReport& report) {
  const CompareRow* row = row_named(report, report.recommendation.name);
  CHECK(row != nullptr);
  const CompareRow& base = report.baseline;
  const auto times = [](double now, double before) {
    return fmt::format("{:.2f}\u00d7", now / before);
  };
  const auto bytes = [](int64_t value) { return bytes_text(static_cast<double>(value)); };
  return farthing::tiles_html(
      {{bytes(row->bytes),
        fmt::format("{} of {} unquantized",
                    percent_text(static_cast<double>(row->bytes) / static_cast<double>(base.bytes)),
                    bytes(base.bytes))},
       {significant_text(row->quality.kl_mean.value), "nats mean KL from the unquantized model"},
       {percent_text(row->quality.top1_agreement.value), "same most likely token"},
       {times(row->speed.decode.median, base.speed.decode.median), "decode speed"},
       {times(row->speed.prompt.median, base.speed.prompt.median), "prompt speed"}});
}

struct Cell {
  double value;
  std::string text, interval;
};

std::string cell_html(const Cell& cell) {
  std::string out = fmt::format("<td data-value=\"{}\">{}", cell.value, html_text(cell.text));
  if (!cell.interval.empty()) out += fmt::format("<small>{}</small>", html_text(cell.interval));
  return out + "</td>";
}

Cell estimate_cell(const Estimate& e, const std::function<std::string(double)>& text) {
  return {e.value, text(e.value), text(e.low) + " \u2013 " + text(e.high)};
}

std::string row_html(const CompareRow& row, bool baseline, bool chosen) {
  const char* kind = baseline ? " class=\"baseline\"" : chosen ? " class=\"chosen\"" : "";
  const std::string name = html_text(row.name());
  std::string shown = name;
  if (const size_t at = name.find('@'); at != std::string::npos) shown.insert(at, "<wbr>");
  std::string out = fmt::format("<tr{}><td data-value=\"{}\">{}", kind, name, shown);
  if (chosen) out += "<small>recommended</small>";
  if (!row.fallbacks.empty()) out += "<small>with fallbacks</small>";
  out += "</td>";
  if (!row.error.empty())
    return out +
           fmt::format("<td class=\"failed\" colspan=\"10\">{}</td></tr>\n", html_text(row.error));
  const auto number = [](double value) { return significant_text(value); };
  const auto bytes = [](int64_t value) -> Cell {
    return {static_cast<double>(value), bytes_text(static_cast<double>(value)), {}};
  };
  out += cell_html({row.bits_per_weight, fmt::format("{:.2f}", row.bits_per_weight), {}});
  out += cell_html(bytes(row.bytes)) + cell_html(bytes(row.peak_memory_bytes));
  const Quality& q = row.quality;
  const auto perplexity = [](double value) { return fmt::format("{:.2f}", value); };
  Cell perplexity_cell = estimate_cell(q.perplexity, perplexity);
  // The increase is paired: it is known far better than the perplexity, which varies from text to
  // text.
  if (!baseline)
    perplexity_cell.interval = signed_text(q.perplexity_increase.low) + " \u2013 " +
                               signed_text(q.perplexity_increase.high);
  out += cell_html(perplexity_cell);
  if (baseline) {
    out += "<td>\u2013</td><td>\u2013</td><td>\u2013</td>";
  } else {
    out += cell_html(estimate_cell(q.kl_mean, number)) + cell_html(estimate_cell(q.kl_p99, number));
    out += cell_html(estimate_cell(
        q.top1_agreement, [](double value) { return fmt::format("{:.1f} %", 100 * value); }));
  }
  for (const double speed : {row.speed.prompt.median, row.speed.decode.median})
    out += cell_html({speed, significant_text(speed), {}});
  out += baseline
             ? "<td>\u2013</td>"
             : cell_html({row.quantize_seconds, fmt::format("{:.1f}", row.quantize_seconds), {}});
  return out + "</tr>\n";
}

std::string table_html(const CompareReport& report) {
  constexpr const char* columns[] = {"Bits per weight",  "Size",
                                     "Peak memory",      "Perplexity",
                                     "KL mean, nats",    "KL 99th percentile",
                                     "Same top\u20111",  "Prompt, tokens/s",
                                     "Decode, tokens/s", "Quan\u00adtize, s"};
  std::string out = "<thead><tr><th data-sort=\"text\">Format</th>";
  for (const char* column : columns) out += fmt::format("<th data-sort=\"number\">{}</th>", column);
  out += "</tr></thead>\n<tbody>\n" + row_html(report.baseline, true, false);
  for (const CompareRow& row : report.rows)
    out += row_html(row, false, row.error.empty() && row.name() == report.recommendation.name);
  return out + "</tbody>";
}

std::string remarks_html(const CompareReport& report) {
  std::vector<std::string> remarks;
  for (const CompareRow& row : report.rows)
    for (const std::string& fallback : row.fallbacks)
      remarks.push_back(row.name() + ": " + fallback);
  return remarks.empty()
             ? ""
             : "<div class=\"remarks\"><h3>Fallbacks</h3>" + list_html(remarks) + "</div>";
}

// A slow model is timed less often.
int most_runs(const CompareReport& report) {
  int runs = report.baseline.speed.runs;
  for (const CompareRow& row : report.rows) runs = std::max(runs, row.speed.runs);
  return runs;
}

std::string facts_html(const CompareReport& report) {
  const MeasuringProtocol& p = report.protocol;
  const Speed& speed = report.baseline.speed;
  return farthing::facts_html(
      {{"Model", report.model},
       {"Windows", p.summary},
       {"Text", fmt::format("{} (XXH3-128 {})", p.text, p.text_digest)},
       {"Speed",
        fmt::format("one sequence, prompt of {} tokens, then {} tokens one by one; median of up to "
                    "{} runs",
                    speed.prompt_tokens, speed.decode_tokens, most_runs(report))},
       {"Machine", fmt::format("{}, {} kernels, {} threads", report.place.cpu, report.place.isa,
                               report.place.threads)},
       {"Date", report.place.date},
       {"Program", report.place.program}});
}

}  // namespace

std::string compare_html(const CompareReport& report) {
  const MeasuringPlace& place = report.place;
  const Speed& speed = report.baseline.speed;
  const Recommendation& r = report.recommendation;
  Page page{.name = file_name(report.model), .kind = "quantization report"};
  page.lead = {report.protocol.summary + ", on " + report.protocol.text,
               fmt::format("{}, {} threads \u00b7 {}", place.cpu, place.threads, place.date)};
  page.main = filled(
      embedded::compare_html,
      {{"notes", notes_html(report.notes)},
       {"outcome", r.within_bound ? "" : " none"},
       {"headline", html_text(r.headline)},
       {"tiles", tiles_html(report)},
       {"reasons", list_html(r.reasons)},
       {"command", r.command.empty() ? "" : fmt::format("<pre>{}</pre>", html_text(r.command))},
       {"advice", advice_html(r)},
       {"table", table_html(report)},
       {"remarks", remarks_html(report)},
       {"speed", html_text(fmt::format(
                     "One sequence on {} threads: a prompt of {} tokens, then {} tokens one "
                     "by one. Median of up to {} runs.",
                     place.threads, speed.prompt_tokens, speed.decode_tokens, most_runs(report)))},
       {"facts", facts_html(report)}});
  page.footer = place.program + ". The numbers of this page are in report.json, too.";
  page.data = compare_json(report);
  page.css = embedded::compare_css;
  page.js = embedded::compare_js;
  return page_html(page);
}

}  // namespace farthing
