// A budget of bits, spent on the parts where it saves the most.
#include <fmt/format.h>

#include <algorithm>

#include "workflows/sensitivity/sensitivity.h"

namespace farthing {
namespace {

std::string recipe_of(const SensitivityReport& report) {
  std::vector<int64_t> weights(report.formats.size());
  for (const PartSensitivity& part : report.parts) weights[part.chosen] += part.weights;
  const auto most =
      static_cast<size_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
  std::string out = fmt::format(
      "# {:.3f} bits a weight. Each part's format by what quantizing it alone costs (KL, nats):\n"
      "# farthing sensitivity by {} on {} tokens of {}\n[quantization]\nscheme = \"{}\"\nmethod = "
      "\"{}\"\n",
      *report.chosen_bits, report.method, report.protocol.tokens(), report.protocol.text,
      report.formats[most], report.method == "rtn" ? "gptq" : report.method);
  if (report.outlier_threshold != RangeOptions().outlier_threshold)
    out += fmt::format("outlier_threshold = {}\n", report.outlier_threshold);
  for (const PartSensitivity& part : report.parts) {
    if (part.chosen == most) continue;
    for (const std::string& linear : part.linears)
      out += fmt::format("\n[[rule]]\nlayers = \"{}\"\nscheme = \"{}\"\n", linear,
                         report.formats[part.chosen]);
  }
  return out;
}

}  // namespace

bool allocate(std::vector<PartSensitivity>& parts, int64_t bytes) {
  int64_t taken = 0;
  for (PartSensitivity& part : parts) {
    part.chosen = 0;
    for (size_t j = 1; j < part.costs.size(); ++j) {
      const PartCost &best = part.costs[part.chosen], &other = part.costs[j];
      if (other.bytes < best.bytes || (other.bytes == best.bytes && other.kl < best.kl))
        part.chosen = j;
    }
    taken += part.costs[part.chosen].bytes;
  }
  if (taken > bytes) return false;
  for (;;) {
    PartSensitivity* best = nullptr;
    size_t to = 0;
    double most = 0;
    for (PartSensitivity& part : parts) {
      const PartCost& now = part.costs[part.chosen];
      for (size_t j = 0; j < part.costs.size(); ++j) {
        const int64_t more = part.costs[j].bytes - now.bytes;
        const double saved = now.kl - part.costs[j].kl;
        if (more <= 0 || saved <= 0 || taken + more > bytes) continue;
        const double rate = saved / static_cast<double>(more);
        if (rate <= most) continue;
        most = rate;
        best = &part;
        to = j;
      }
    }
    if (best == nullptr) return true;
    taken += best->costs[to].bytes - best->costs[best->chosen].bytes;
    best->chosen = to;
  }
}

Result<> spend_budget(SensitivityReport& report, double bits) {
  int64_t weights = 0;
  for (const PartSensitivity& part : report.parts) weights += part.weights;
  const double bytes = bits * static_cast<double>(weights) / 8;
  if (!allocate(report.parts, static_cast<int64_t>(bytes))) {
    return fail({.what = "the budget is below the cheapest of the formats",
                 .where = "--target-bits",
                 .got = fmt::format("{} bits a weight", bits),
                 .wanted = "at least what the smallest of --formats takes",
                 .remedy = "name a smaller format, such as int3_g64"});
  }
  double taken = 0, kl = 0;
  for (const PartSensitivity& part : report.parts) {
    taken += static_cast<double>(part.costs[part.chosen].bytes);
    kl += part.costs[part.chosen].kl;
  }
  report.chosen_bits = 8 * taken / static_cast<double>(weights);
  report.chosen_kl = kl;
  report.recipe = recipe_of(report);
  return {};
}

}  // namespace farthing
