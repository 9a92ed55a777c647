// The comparison for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "page/number_text.h"
#include "workflows/compare/compare_report.h"

namespace farthing {
namespace {

constexpr size_t columns = 11;
using Line = std::array<std::string, columns>;

constexpr std::array<const char*, columns> heads[] = {
    {"", "bits/", "", "peak", "perplex-", "KL mean,", "95 %", "KL", "same", "prompt", "decode"},
    {"format", "weight", "size", "memory", "ity", "nats", "interval", "99th", "top-1", "tok/s",
     "tok/s"}};

Line line_of(const CompareRow& row, bool baseline) {
  const Quality& q = row.quality;
  const auto kl = [&](double value) {
    return baseline ? std::string("-") : significant_text(value);
  };
  return {
      row.name(),
      fmt::format("{:.2f}", row.bits_per_weight),
      bytes_text(static_cast<double>(row.bytes)),
      bytes_text(static_cast<double>(row.peak_memory_bytes)),
      fmt::format("{:.3f}", q.perplexity.value),
      kl(q.kl_mean.value),
      baseline ? "-" : significant_text(q.kl_mean.low) + " to " + significant_text(q.kl_mean.high),
      kl(q.kl_p99.value),
      baseline ? "-" : percent_text(q.top1_agreement.value),
      significant_text(row.speed.prompt.median),
      significant_text(row.speed.decode.median)};
}

void add_list(std::string& out, const char* title, const std::vector<Advice>& list) {
  if (!list.empty()) out += title;
  for (const Advice& advice : list) out += fmt::format("  {}: {}\n", advice.name, advice.reason);
}

}  // namespace

std::string compare_text(const CompareReport& report) {
  const MeasuringPlace& place = report.place;
  std::string out = fmt::format("{}\n{}\non {}\n{}, {} kernels, {} thread{}\n", report.model,
                                report.protocol.summary, report.protocol.text, place.cpu, place.isa,
                                place.threads, place.threads == 1 ? "" : "s");
  for (const std::string& note : report.notes) out += "note: " + note + "\n";

  std::vector<Line> lines;
  for (const auto& head : heads) {
    Line line;
    std::copy(head.begin(), head.end(), line.begin());
    lines.push_back(line);
  }
  lines.push_back(line_of(report.baseline, true));
  for (const CompareRow& row : report.rows)
    if (row.error.empty()) lines.push_back(line_of(row, false));
  std::array<size_t, columns> widths{};
  for (const Line& line : lines)
    for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], line[i].size());
  out += "\n";
  for (const Line& line : lines) {
    out += fmt::format("{:<{}}", line[0], widths[0]);
    for (size_t i = 1; i < columns; ++i) out += fmt::format("  {:>{}}", line[i], widths[i]);
    out += "\n";
  }
  out += "\n";
  for (const CompareRow& row : report.rows) {
    for (const std::string& fallback : row.fallbacks)
      out += fmt::format("{}: {}\n", row.name(), fallback);
    if (!row.error.empty()) out += fmt::format("{} was not measured: {}\n", row.name(), row.error);
  }

  const Recommendation& r = report.recommendation;
  out += r.headline + "\n";
  for (const std::string& reason : r.reasons) out += "  " + reason + "\n";
  add_list(out, "Alternatives\n", r.alternatives);
  add_list(out, "Rather not\n", r.avoid);
  if (!r.command.empty()) out += "To do it\n  " + r.command + "\n";
  for (const std::string& caution : r.cautions) out += caution + "\n";
  return out;
}

}  // namespace farthing
