// AlignReport: what an alignment found out, and the ways to print it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workflows/align/pairs.h"
#include "workflows/measuring.h"

namespace farthing {

// A token of the text whose log-probability was compared.
struct AlignedToken {
  int64_t window, position;  // in its window, from 0; the first is never compared
  int32_t id;
  std::string text;  // its bytes
};

struct AlignReport {
  std::string model, against;
  std::string kv_cache;
  double clip = 0, bound = 0;
  MeasuringProtocol protocol;
  MeasuringPlace place;
  AlignedPairs measured;
  std::vector<AlignedToken> tokens;  // as measured.log_p

  bool within() const { return measured.within(bound); }
};

// The outcome in one sentence.
std::string align_headline(const AlignReport& report);
// What was compared, a sentence each.
std::vector<std::string> align_scope(const AlignReport& report);
// "linear NAME, window 3, position 17", or empty where no operator differs.
std::string first_operator_text(const AlignReport& report, const Alignment& pair);
// The pair's tokens by |d|, largest first: indices of tokens, at most `most`, none with d = 0.
std::vector<size_t> largest_differences(const AlignReport& report, const Alignment& pair,
                                        size_t most);

// For a terminal. The pairs, and of what differs the first operator and ten tokens.
std::string align_text(const AlignReport& report);
// Everything, as JSON. Where a pair's outputs or log-probabilities are those of a, they are left
// out.
std::string align_json(const AlignReport& report);
// The report as one HTML file that needs nothing else.
std::string align_html(const AlignReport& report);

}  // namespace farthing
