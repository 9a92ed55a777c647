// How the reports write numbers.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace farthing {

// Three significant digits: "0.0123", "12.3", "3.1e-05".
inline std::string significant_text(double value) {
  if (value == 0) return "0";
  const double magnitude = std::fabs(value);
  if (magnitude < 0.001) return fmt::format("{:.1e}", value);
  const int decimals = magnitude >= 100   ? 0
                       : magnitude >= 10  ? 1
                       : magnitude >= 1   ? 2
                       : magnitude >= 0.1 ? 3
                                          : 4;
  return fmt::format("{:.{}f}", value, decimals);
}

// With a sign: "+0.0123".
inline std::string signed_text(double value) {
  return fmt::format("{}{}", value < 0 ? "" : "+", significant_text(value));
}

// "135 MB", "1.08 GB": powers of 1000.
inline std::string bytes_text(double bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  for (; unit < 4 && bytes >= 999.5; ++unit) bytes /= 1000;
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{} {}", significant_text(bytes), units[unit]);
}

// "62.3 %"
inline std::string percent_text(double share) { return fmt::format("{:.1f} %", 100 * share); }

}  // namespace farthing
