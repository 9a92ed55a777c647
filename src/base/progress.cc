// ProgressBar, and the clock that it uses.
#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace farthing {
namespace {
constexpr double quiet_seconds = 1;  // most work is done by then
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressBar::ProgressBar() : terminal_(::isatty(2) == 1), started_seconds_(now_seconds()) {}

ProgressBar::~ProgressBar() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::update(double done, double total, std::string_view what) {
  const double now = now_seconds();
  const double share = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0.0;
  const int tenth = static_cast<int>(share * 10);
  if (now - started_seconds_ < quiet_seconds) return;
  if (terminal_ ? (share < 1 && now - drawn_seconds_ < 0.1) : tenth == tenth_) return;
  tenth_ = tenth;
  drawn_seconds_ = now;
  drawn_ = true;
  const double elapsed = now - started_seconds_;
  std::string left = "--:--";
  if (share > 0.005) {
    const int seconds = static_cast<int>(elapsed / share - elapsed + 0.5);
    left = fmt::format("{:02}:{:02}", seconds / 60, seconds % 60);
  }
  std::string line = fmt::format("{:3.0f} %  {} left  {}", share * 100, left, what);
  if (terminal_) {
    constexpr int width = 30;
    const int filled = static_cast<int>(share * width);
    line = fmt::format("\r\033[K[{}{}] {}", std::string(filled, '#'),
                       std::string(width - filled, '.'), line);
  } else {
    line += '\n';
  }
  std::fputs(line.c_str(),
             stderr);  // not fmt::print, which throws where nobody reads standard error
  std::fflush(stderr);
}

}  // namespace farthing
