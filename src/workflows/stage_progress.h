// StageProgress: the progress of one stage of a longer job.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/progress.h"

namespace farthing {

// Reports a stage's own progress to the whole job's: the stage covers `weight` of the `total`, from
// `begin`.
class StageProgress : public Progress {
 public:
  StageProgress(Progress& whole, double begin, double weight, double total, std::string label)
      : whole_(whole), begin_(begin), weight_(weight), total_(total), label_(std::move(label)) {}

  void update(double done, double total, std::string_view what) override {
    const double share = total > 0 ? done / total : 0;
    whole_.update(begin_ + weight_ * share, total_, fmt::format("{}: {}", label_, what));
  }

 private:
  Progress& whole_;
  double begin_, weight_, total_;
  std::string label_;
};

}  // namespace farthing
