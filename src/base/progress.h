// Progress of long work: how much is done, what is happening now, how long it will still take.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// What a long-running function reports to. The library never prints: apps/ gives an object that
// draws.
class Progress {
 public:
  virtual ~Progress() = default;
  // `done` of `total` units of work (tokens, layers, bytes: the caller's choice), now doing `what`.
  // total 0: nobody knows yet how much there is.
  virtual void update(double done, double total, std::string_view what) = 0;
};

// Ignores everything.
class NoProgress : public Progress {
 public:
  void update(double, double, std::string_view) override {}
};

// How long work will still take, by its pace since the first share that was seen: work that goes on
// from the middle is judged by what it did itself.
class TimeLeft {
 public:
  // `share` of the work done at `now` (seconds). Nothing while too little was done to tell.
  std::optional<double> seconds(double share, double now);

 private:
  std::optional<double> first_share_;
  double first_seconds_ = 0;
};

// A bar, as far as there is room for it, and a text that is cut to what fits into one line of a
// terminal.
std::string progress_line(double share, std::string text, int columns);

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
  TimeLeft left_;
  int tenth_ = -1;
  bool drawn_ = false;
};

// Seconds of a monotonic clock.
double now_seconds();

}  // namespace farthing
