// CompareReport: what a comparison of formats found out, and the ways to print it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/bootstrap.h"
#include "eval/speed.h"
#include "quant/algorithm.h"
#include "workflows/measuring.h"

namespace farthing {

// What a method cost on the part of the calibration's text that was held back to choose among
// methods.
struct MethodTrial {
  std::string method;
  Estimate kl;        // nats
  std::string error;  // why there is none; else empty
};

// One scheme, quantized by one method; or the baseline.
struct CompareRow {
  std::string scheme;  // "int4_g128@int8_block32"
  std::string format, activations, method, scale_rule;
  double bits_per_weight =
      0;              // of the linears of the blocks (and of the tables where they are quantized)
  int64_t bytes = 0;  // of everything, as stored
  int64_t peak_memory_bytes = 0;  // allocated while loading, reading a prompt and decoding
  Quality quality;
  std::vector<double> window_kl;  // mean KL of each window, for paired differences
  Speed speed;
  double quantize_seconds = 0;
  std::vector<LayerReport> layers;
  std::vector<std::string>
      fallbacks;  // linears that got another format and why, a sentence for each reason
  std::vector<MethodTrial> trials;  // where the method was chosen among these
  std::string error;                // why there are no numbers; else empty

  // What tells the row from the others: the scheme, and the method where it is not "rtn".
  std::string name() const;
};

// A row, and a sentence about it.
struct Advice {
  std::string name, reason;
};

struct Recommendation {
  double kl_bound = 0;  // nats: the upper end of the KL's interval must lie below it
  bool within_bound = false;
  std::string name;      // of the recommended row
  std::string headline;  // the recommendation in one sentence
  std::string command;   // of a shell: carries it out; may be empty
  std::vector<std::string> reasons;
  std::vector<Advice> alternatives;  // for another aim
  std::vector<Advice> avoid;
  std::vector<std::string> cautions;  // how far the numbers carry
};

struct CompareReport {
  std::string model;
  MeasuringProtocol protocol;
  MeasuringPlace place;
  std::vector<std::string> notes;  // what a reader must know about the model or the run
  CompareRow baseline;
  std::vector<CompareRow> rows;
  Recommendation recommendation;
};

// Weighs quality, size and speed. At least one row must have no error.
Recommendation recommend(const CompareReport& report, double kl_bound);

// The report as JSON, indented; each row's layers stand on one line.
std::string compare_json(const CompareReport& report);
// The report for a terminal: protocol, notes, table, recommendation.
std::string compare_text(const CompareReport& report);
// The report as one HTML file that needs nothing else.
std::string compare_html(const CompareReport& report);

}  // namespace farthing
