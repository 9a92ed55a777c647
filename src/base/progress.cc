// ProgressBar, and the clock that it uses.
#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace farthing {
namespace {
constexpr double quiet_seconds = 1;  // most work is done by then

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::optional<double> TimeLeft::seconds(double share, double now) {
  if (!first_share_) {
    first_share_ = share;
    first_seconds_ = now;
  }
  constexpr double least = 0.005;
  if (share - *first_share_ <= least) return std::nullopt;
  return (now - first_seconds_) * (1 - share) / (share - *first_share_);
}

std::string progress_line(double share, std::string text, int columns) {
  const int room = columns - 1;  // a full line would wrap, and could not be drawn over
  const int width = std::min(room - static_cast<int>(text.size()) - 3, 30);
  if (width >= 5) {
    const int filled = static_cast<int>(share * width);
    return fmt::format("[{}{}] {}", std::string(filled, '#'), std::string(width - filled, '.'),
                       text);
  }
  if (static_cast<int>(text.size()) <= room) return text;
  auto end = static_cast<size_t>(std::max(room, 0));
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // no half character
  text.resize(end);
  return text;
}

ProgressBar::ProgressBar() : terminal_(::isatty(2) == 1), started_seconds_(now_seconds()) {}

ProgressBar::~ProgressBar() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::update(double done, double total, std::string_view what) {
  const double now = now_seconds();
  const double share = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0.0;
  const int tenth = static_cast<int>(share * 10);
  const auto seconds_left = total > 0 ? left_.seconds(share, now) : std::nullopt;
  if (now - started_seconds_ < quiet_seconds) return;
  if (terminal_ ? (share < 1 && now - drawn_seconds_ < 0.1) : tenth == tenth_) return;
  tenth_ = tenth;
  drawn_seconds_ = now;
  drawn_ = true;
  std::string left = "--:--";
  if (seconds_left) {
    const auto seconds = static_cast<int64_t>(*seconds_left + 0.5);
    left = seconds < 3600
               ? fmt::format("{:02}:{:02}", seconds / 60, seconds % 60)
               : fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
  std::string line = fmt::format("{:3.0f} %  {} left  {}", share * 100, left, what);
  if (terminal_) {
    line = "\r\033[K" + progress_line(share, line, terminal_columns());
  } else {
    line += '\n';
  }
  std::fputs(line.c_str(),
             stderr);  // not fmt::print, which throws where nobody reads standard error
  std::fflush(stderr);
}

}  // namespace farthing
