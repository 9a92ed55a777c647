// The alignment as a page.
#include <fmt/format.h>

#include "base/html_text.h"
#include "page/number_text.h"
#include "page/page.h"
#include "workflows/align/report.h"

namespace farthing {

// Built into the program by farthing_embed in src/CMakeLists.txt.
namespace embedded {
extern const std::string_view align_html, align_css, align_js;
}

namespace {

std::string tiles_of(const AlignReport& report) {
  const Alignment& worst = report.measured.worst();
  return tiles_html(
      {{significant_text(worst.max), "largest |d log p|, nats"},
       {significant_text(worst.mean), "mean |d log p|, nats"},
       {significant_text(worst.deviation), "standard deviation of |d log p|"},
       {significant_text(worst.k3_mean), "mean k3, nats"},
       {fmt::format("{:.2f} %", 100 * worst.clip_fraction),
        fmt::format("clipped (r outside {:.3g} to {:.3g})", 1 - report.clip, 1 + report.clip)}});
}

std::string pairs_html(const AlignReport& report) {
  std::string out =
      "<thead><tr><th>Pair</th><th>Tokens</th><th>Mean |d|</th><th>Max |d|</th><th>SD |d|</th>"
      "<th>Mean k3</th><th>Max k3</th><th>Clipped</th><th>Mean r</th><th>Equal bits</th>"
      "<th class=\"name\">First operator that differs</th></tr></thead>\n<tbody>\n";
  for (const Alignment& a : report.measured.pairs) {
    out += fmt::format("<tr><td>{}</td><td>{}</td>", html_text(a.name), a.tokens);
    for (const double value : {a.mean, a.max, a.deviation, a.k3_mean, a.k3_max})
      out += fmt::format("<td>{}</td>", significant_text(value));
    const std::string first = first_operator_text(report, a);
    out +=
        fmt::format("<td>{:.2f} %</td><td>{:.6f}</td><td>{}</td><td class=\"name\">{}</td></tr>\n",
                    100 * a.clip_fraction, a.ratio_mean, a.equal() ? "yes" : "no",
                    !first.empty()        ? html_text(first)
                    : a.operators.empty() ? "not compared"
                                          : "none");
  }
  return out + "</tbody>";
}

std::string facts_of(const AlignReport& report) {
  const MeasuringPlace& place = report.place;
  return facts_html(
      {{"Model", report.model},
       {"Against", report.against.empty() ? "itself" : report.against},
       {"Windows", report.protocol.summary},
       {"Text", fmt::format("{} (XXH3-128 {})", report.protocol.text, report.protocol.text_digest)},
       {"KV cache", report.kv_cache},
       {"Bound", fmt::format("{:.3g}", report.bound)},
       {"Machine", fmt::format("{}, {} kernels, {} threads", place.cpu, place.isa, place.threads)},
       {"Date", place.date},
       {"Program", place.program}});
}

}  // namespace

std::string align_html(const AlignReport& report) {
  const AlignedPairs& m = report.measured;
  const MeasuringPlace& place = report.place;
  const auto hidden_unless = [](bool shown) { return std::string(shown ? "" : "hidden "); };
  Page page{.name = file_name(report.model), .kind = "alignment report"};
  page.name += report.against.empty() ? ", training against serving"
                                      : ", against " + file_name(report.against);
  page.lead = {report.protocol.summary + ", on " + report.protocol.text,
               fmt::format("{}, {} threads \u00b7 {}", place.cpu, place.threads, place.date)};
  page.main = filled(embedded::align_html,
                     {{"outcome", report.within() ? "" : " none"},
                      {"headline", html_text(align_headline(report))},
                      {"tiles", tiles_of(report)},
                      {"scope", list_html(align_scope(report))},
                      {"pair_choice", hidden_unless(m.pairs.size() > 1 && !m.equal())},
                      {"distribution_hidden", hidden_unless(m.worst().max != 0)},
                      {"path_hidden", hidden_unless(m.worst().first_operator() >= 0)},
                      {"operators_hidden", hidden_unless(!m.operators.empty())},
                      {"pairs", pairs_html(report)},
                      {"facts", facts_of(report)}});
  page.footer = place.program + ". The numbers of this page are in it as JSON, too.";
  page.data = align_json(report);
  page.css = embedded::align_css;
  page.js = embedded::align_js;
  return page_html(page);
}

}  // namespace farthing
