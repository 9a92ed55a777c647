// Progress of long work: how much is done, what is happening now, how long it will still take.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace farthing {

// What a long-running function reports to. The library never prints: apps/ gives an object that
// draws.
class Progress {
 public:
  virtual ~Progress() = default;
  // `done` of `total` units of work (tokens, layers, bytes: the caller's choice), now doing `what`.
  virtual void update(double done, double total, std::string_view what) = 0;
};

// Ignores everything.
class NoProgress : public Progress {
 public:
  void update(double, double, std::string_view) override {}
};

// Draws a bar with an estimate of the remaining time on standard error; only on a terminal, else
// one line for every tenth of the work. Shows nothing in the first second.
class ProgressBar : public Progress {
 public:
  ProgressBar();
  ~ProgressBar() override;
  void update(double done, double total, std::string_view what) override;

 private:
  bool terminal_;
  double started_seconds_, drawn_seconds_ = -1;
  int tenth_ = -1;
  bool drawn_ = false;
};

// Seconds of a monotonic clock.
double now_seconds();

}  // namespace farthing
