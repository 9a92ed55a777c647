// The alignment in words, and for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/table_text.h"
#include "text/unicode/utf8.h"
#include "workflows/align/report.h"

namespace farthing {
namespace {

// Readable on one line, between quotes.
std::string quoted(const std::string& bytes) {
  std::string out = "\"";
  for (const char c : replace_invalid_utf8(bytes)) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

std::string batches_text(const std::vector<int64_t>& batches) {
  std::vector<int64_t> sizes = batches;
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return fmt::format("{} window{}", fmt::join(sizes, ", "), sizes.back() == 1 ? "" : "s");
}

std::string pairs_table(const AlignReport& report) {
  std::vector<std::vector<std::string>> rows{{"pair", "tokens", "mean |d|", "max |d|", "sd |d|",
                                              "k3 mean", "k3 max", "clipped, %", "mean r",
                                              "equal bits"}};
  for (const Alignment& a : report.measured.pairs)
    rows.push_back({a.name, std::to_string(a.tokens), fmt::format("{:.3g}", a.mean),
                    fmt::format("{:.3g}", a.max), fmt::format("{:.3g}", a.deviation),
                    fmt::format("{:.3g}", a.k3_mean), fmt::format("{:.3g}", a.k3_max),
                    fmt::format("{:.2f}", 100 * a.clip_fraction),
                    fmt::format("{:.6f}", a.ratio_mean), a.equal() ? "yes" : "no"});
  return table_text(rows);
}

// The first operator that differs, the one that differs most for its size, and the last.
std::string operators_table(const AlignReport& report, const Alignment& pair) {
  const auto relative = [&](size_t i) {
    return pair.operators[i].mean / report.measured.operators[i].rms;
  };
  const auto first = static_cast<size_t>(pair.first_operator());
  size_t most = first;
  for (size_t i = first; i < pair.operators.size(); ++i)
    if (relative(i) > relative(most)) most = i;
  std::vector<std::vector<std::string>> rows{
      {"operator", "", "mean |d|", "max |d|", "mean / rms", "rows that differ"}};
  const auto add = [&](const char* what, size_t i) {
    const OperatorDifference& d = pair.operators[i];
    rows.push_back({what, report.measured.operators[i].text(), fmt::format("{:.3g}", d.mean),
                    fmt::format("{:.3g}", d.max), fmt::format("{:.3g}", relative(i)),
                    fmt::format("{} of {}", d.rows_differ, d.rows)});
  };
  add("first to differ", first);
  add("largest mean / rms", most);
  add("last", pair.operators.size() - 1);
  return table_text(rows);
}

std::string tokens_table(const AlignReport& report, const Alignment& pair,
                         const std::vector<size_t>& largest) {
  std::vector<std::vector<std::string>> rows{
      {"window", "position", "token", "log p a", "log p b", "d"}};
  for (const size_t i : largest) {
    const AlignedToken& token = report.tokens[i];
    const double a = report.measured.log_p[i], b = pair.log_p[i];
    rows.push_back({std::to_string(token.window), std::to_string(token.position),
                    quoted(token.text), fmt::format("{:.6f}", a), fmt::format("{:.6f}", b),
                    fmt::format("{:+.3g}", a - b)});
  }
  return table_text(rows);
}

int64_t values_of(const AlignReport& report, const Alignment& pair) {
  int64_t out = 0;
  for (size_t i = 0; i < pair.operators.size(); ++i)
    out += pair.operators[i].rows * report.measured.operators[i].columns;
  return out;
}

}  // namespace

std::string first_operator_text(const AlignReport& report, const Alignment& pair) {
  const int64_t first = pair.first_operator();
  if (first < 0) return {};
  const auto i = static_cast<size_t>(first);
  return fmt::format("{}, window {}, position {}", report.measured.operators[i].text(),
                     pair.operators[i].window, pair.operators[i].position);
}

std::vector<size_t> largest_differences(const AlignReport& report, const Alignment& pair,
                                        size_t most) {
  const auto size = [&](size_t i) { return std::fabs(report.measured.log_p[i] - pair.log_p[i]); };
  std::vector<size_t> out;
  for (size_t i = 0; i < pair.log_p.size(); ++i)
    if (size(i) > 0) out.push_back(i);
  most = std::min(most, out.size());
  std::partial_sort(
      out.begin(), out.begin() + static_cast<std::ptrdiff_t>(most), out.end(),
      [&](size_t x, size_t y) { return size(x) != size(y) ? size(x) > size(y) : x < y; });
  out.resize(most);
  return out;
}

std::string align_headline(const AlignReport& report) {
  const AlignedPairs& m = report.measured;
  const Alignment& worst = m.worst();
  const std::string ways = m.pairs.size() > 1 ? fmt::format(" in {} ways", m.pairs.size()) : "";
  if (m.equal()) {
    if (!worst.logits_compared)
      return fmt::format("All {} log-probabilities are equal.", worst.tokens);
    return fmt::format(
        "Equal in every bit{}: {} log-probabilities, their logits{}.", ways, report.tokens.size(),
        m.operators.empty() ? ""
                            : fmt::format(" and the outputs of {} operators", m.operators.size()));
  }
  std::string out =
      worst.max == 0
          ? fmt::format("The log-probabilities of all {} tokens are equal, but not every bit: ",
                        worst.tokens)
          : fmt::format("|d log p| is up to {:.3g}, {:.3g} in the mean of {} tokens: ", worst.max,
                        worst.mean, worst.tokens);
  out += report.within() ? fmt::format("within the bound of {:.3g}.", report.bound)
                         : fmt::format("beyond the bound of {:.3g}.", report.bound);
  if (const std::string first = first_operator_text(report, worst); !first.empty())
    out += fmt::format(" The first operator that differs: {}.", first);
  return out;
}

std::vector<std::string> align_scope(const AlignReport& report) {
  const AlignedPairs& m = report.measured;
  std::vector<std::string> out;
  if (!m.batches.empty())
    out.push_back(
        fmt::format("a: the forward pass that training records, over packed batches of {}. b: the "
                    "engine's pass over each window, in {} ways (the pairs below).",
                    batches_text(m.batches), m.pairs.size()));
  else
    out.push_back(fmt::format("a: {}. b: {}.", report.model, report.against));
  int64_t tokens = 0, values = 0;
  bool logits = false;
  for (const Alignment& pair : m.pairs) {
    tokens += pair.tokens;
    values += values_of(report, pair);
    logits = logits || pair.logits_compared;
  }
  out.push_back(fmt::format("{} log-probabilities of next tokens were compared{}.",
                            count_text(tokens), logits ? ", and all bits of the logits" : ""));
  if (!m.operators.empty())
    out.push_back(
        fmt::format("{} outputs of {} operators were compared bit for bit, position by "
                    "position, in the order of execution.",
                    count_text(values), m.operators.size()));
  if (!m.operators_note.empty()) out.push_back(m.operators_note);
  return out;
}

std::string align_text(const AlignReport& report) {
  const AlignedPairs& m = report.measured;
  std::string out = pairs_table(report) + fmt::format("\n{}", report.protocol.summary);
  if (!m.batches.empty())
    out += fmt::format("; recorded in batches of {}", batches_text(m.batches));
  out += "\nd: difference of log p(next token), nats\n";
  if (!m.operators_note.empty()) out += m.operators_note + "\n";
  out += fmt::format("\n{}\n", align_headline(report));
  if (m.pairs.size() > 1)
    for (const Alignment& pair : m.pairs)
      if (const std::string first = first_operator_text(report, pair); !first.empty())
        out += fmt::format("  {}: first {}\n", pair.name, first);
  const Alignment& worst = m.worst();
  if (worst.first_operator() >= 0) out += fmt::format("\n{}", operators_table(report, worst));
  if (const auto largest = largest_differences(report, worst, 10); !largest.empty())
    out += fmt::format("\nThe tokens with the largest |d|{}\n",
                       m.pairs.size() > 1 ? fmt::format(" ({})", worst.name) : "") +
           tokens_table(report, worst, largest);
  return out;
}

}  // namespace farthing
