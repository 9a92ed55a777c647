// A report with made-up numbers, for tests of what is made of one.
#pragma once

#include <string>
#include <vector>

#include "workflows/compare/compare_report.h"

namespace farthing {

// A row whose windows' KLs lie evenly within 10 % of `kl`.
inline CompareRow example_row(const std::string& format, double megabytes, double kl,
                              double decode) {
  CompareRow row;
  row.scheme = row.format = format;
  row.activations = "f32";
  row.method = "rtn";
  row.scale_rule = "half_step";
  row.bytes = static_cast<int64_t>(megabytes * 1e6);
  row.peak_memory_bytes = row.bytes + 1000;
  row.bits_per_weight = megabytes / 10;
  row.quality.perplexity = {20 + kl, 19 + kl, 21 + kl};
  row.quality.perplexity_increase = {kl, 0.9 * kl, 1.1 * kl};
  row.quality.kl_mean = {kl, 0.97 * kl, 1.03 * kl};
  row.quality.kl_p99 = {9 * kl, 8 * kl, 10 * kl};
  row.quality.top1_agreement = {0.9, 0.89, 0.91};
  for (int i = 0; i < 32; ++i) row.window_kl.push_back(kl * (0.9 + 0.2 * i / 31));
  row.speed = {512, 128, 3, {1000, 990, 1010}, {decode, 0.99 * decode, 1.01 * decode}};
  row.quantize_seconds = 1.5;
  LayerReport layer;
  layer.name = "model.layers.0.mlp.down_proj.weight";
  layer.n = 64;
  layer.k = 172;
  layer.format = format;
  layer.bits_per_weight = 4.5;
  layer.relative_squared_error = 0.0125;
  layer.bytes = 6192;
  row.layers.push_back(layer);
  return row;
}

inline CompareRow failed_row(const std::string& format, const std::string& error) {
  CompareRow row;
  row.scheme = row.format = format;
  row.activations = "f32";
  row.method = "rtn";
  row.error = error;
  return row;
}

inline CompareReport example_report(std::vector<CompareRow> rows) {
  CompareReport report;
  report.model = "models/example";
  report.protocol = {512, 32, 511, "32 windows of 512 tokens", "text.txt", "0123456789abcdef"};
  report.place = {"farthing 0.1.0", "2026-11-23T05:00:00Z", "A processor", "avx2", 2};
  report.baseline = example_row("as stored", 500, 0, 10);
  report.baseline.scheme = "unquantized";
  report.rows = std::move(rows);
  return report;
}

}  // namespace farthing
