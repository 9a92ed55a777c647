// The training run as a page: train.html filled.
#include "train/report/train_report.h"

#include <fmt/format.h>

#include <cmath>

#include "base/html_text.h"
#include "base/json_writer.h"
#include "page/number_text.h"
#include "page/page.h"
#include "train/report/curves.h"

namespace farthing {

// Built into the program by farthing_embed in src/CMakeLists.txt.
namespace embedded {
extern const std::string_view train_html, train_css, train_js;
}

namespace {

constexpr int64_t most_points = 2000;  // of a curve; a screen is not wider
constexpr size_t table_rows = 20;

// Held-out losses with their steps, the first before training.
std::vector<std::pair<int64_t, double>> evaluations_of(const TrainReport& report) {
  std::vector<std::pair<int64_t, double>> out;
  if (report.first_evaluation) out.emplace_back(0, *report.first_evaluation);
  for (const TrainStep& s : report.steps)
    if (s.evaluation_loss) out.emplace_back(s.step, *s.evaluation_loss);
  return out;
}

std::string data_json(const TrainReport& report) {
  JsonWriter json;
  json.begin_object().field("finished", report.finished);
  json.key("points").begin_array();
  for (const CurvePoint& p : curve_points(report.steps, most_points)) {
    json.begin_array().value(p.step).value(p.loss).value(p.smoothed_loss);
    json.value(p.gradient_norm).value(p.learning_rate).value(p.tokens_per_second).end_array();
  }
  json.end_array().key("evaluations").begin_array();
  for (const auto& [step, loss] : evaluations_of(report))
    json.begin_array().value(step).value(loss).end_array();
  return json.end_array().end_object().take();
}

std::string loss_text(double loss) { return fmt::format("{:.4f}", loss); }

double rate_of(const TrainStep& s) {
  return s.seconds > 0 ? static_cast<double>(s.tokens) / s.seconds : 0;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 120) return fmt::format("{:.1f} s", seconds);
  if (whole < 7200) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

TextPairs tiles_of(const TrainReport& report) {
  if (report.steps.empty()) return {};
  TextPairs out;
  double tokens = 0, seconds = 0;
  for (const TrainStep& s : report.steps) {
    tokens += static_cast<double>(s.tokens);
    seconds += s.seconds;
  }
  const auto evaluations = evaluations_of(report);
  if (!evaluations.empty()) {
    const auto& [step, loss] = evaluations.back();
    std::string what = fmt::format("held-out perplexity at step {}", step);
    if (report.first_evaluation && step > 0)
      what +=
          fmt::format("; {} before training", significant_text(std::exp(*report.first_evaluation)));
    out.emplace_back(significant_text(std::exp(loss)), what);
  }
  out.emplace_back(loss_text(curve_points(report.steps, most_points).back().smoothed_loss),
                   "training loss, smoothed; nats a token");
  out.emplace_back(fmt::format("{} of {}", report.steps.back().step, report.planned_steps),
                   "steps");
  out.emplace_back(significant_text(seconds > 0 ? tokens / seconds : 0), "tokens a second");
  out.emplace_back(duration_text(seconds), "in steps; evaluations not counted");
  return out;
}

// The last steps, the youngest first.
std::string table_html(const TrainReport& report) {
  std::string out =
      "<thead><tr><th>Step</th><th>Loss</th><th>Held-out loss</th><th>Gradient norm</th>"
      "<th>Learning rate</th><th>Tokens</th><th>Tokens/s</th></tr></thead>\n<tbody>\n";
  for (size_t i = report.steps.size(); i > 0 && i + table_rows > report.steps.size(); --i) {
    const TrainStep& s = report.steps[i - 1];
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        s.step, loss_text(s.loss), s.evaluation_loss ? loss_text(*s.evaluation_loss) : "",
        significant_text(s.gradient_norm), significant_text(s.learning_rate), s.tokens,
        significant_text(rate_of(s)));
  }
  return out + "</tbody>";
}

}  // namespace

std::string train_html(const TrainReport& report) {
  const auto steps = static_cast<int64_t>(report.steps.size());
  const std::string date = date_now();
  std::string smoothing = fmt::format(
      "The smoothed loss averages about {} steps, the newer the more.", smoothing_steps(steps));
  if (steps > most_points)
    smoothing +=
        fmt::format(" A point is the mean of {} steps.", (steps + most_points - 1) / most_points);
  Page page{.name = file_name(report.model), .kind = "training report"};
  page.lead = {fmt::format("Trained in {}", report.scheme),
               report.finished ? fmt::format("Finished at {}", date)
                               : fmt::format("As of {}, step {} of {}. While it is trained, this "
                                             "page loads itself again every 30 seconds.",
                                             date, steps == 0 ? 0 : report.steps.back().step,
                                             report.planned_steps)};
  page.main = filled(embedded::train_html, {{"notes", notes_html(report.notes)},
                                            {"tiles", tiles_html(tiles_of(report))},
                                            {"smoothing", html_text(smoothing)},
                                            {"table", table_html(report)},
                                            {"facts", facts_html(report.facts)},
                                            {"settings", facts_html(report.settings)}});
  page.footer = program_name() + ". Every step is in metrics.jsonl, too.";
  page.data = data_json(report);
  page.css = embedded::train_css;
  page.js = embedded::train_js;
  return page_html(page);
}

}  // namespace farthing
