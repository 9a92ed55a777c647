// On what, where and when a report's numbers were measured.
#pragma once

#include <cstdint>
#include <string>

#include "eval/windows.h"
#include "tensor/context.h"

namespace farthing {

// How and on what text was measured.
struct MeasuringProtocol {
  int64_t context = 0;  // tokens of a window; the stride is the same, and there is no BOS
  int64_t windows = 0;
  int64_t scored = 0;   // positions of a window
  std::string summary;  // in words
  std::string text, text_digest;

  int64_t tokens() const { return windows * context; }
};

// Where and when was measured.
struct MeasuringPlace {
  std::string program;  // "farthing 0.1.0"
  std::string date;     // UTC, ISO 8601
  std::string cpu, isa;
  int threads = 0;
};

MeasuringProtocol measuring_protocol(const Windows& windows, const EvaluationText& text);
// This program, on this machine, now.
MeasuringPlace measuring_place(const Context& context);

}  // namespace farthing
