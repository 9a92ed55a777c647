// The page of a training run: RUN/report.html.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/metrics_log.h"

namespace farthing {

struct TrainReport {
  std::string model;  // the path of what training began with
  std::string scheme;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, std::string>> facts;     // sizes, data, machine
  std::vector<std::pair<std::string, std::string>> settings;  // of the recipe
  int64_t planned_steps = 0;
  bool finished = false;                   // else the page loads itself again, to be watched
  std::optional<double> first_evaluation;  // held-out loss before the first step
  std::vector<TrainStep> steps;            // also those before a run was resumed
};

// One HTML file that fetches nothing.
std::string train_html(const TrainReport& report);

}  // namespace farthing
