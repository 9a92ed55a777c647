// Printing, and sizes as text.
#include "apps/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/file.h"

namespace farthing {

Result<> print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      discard_partial_outputs();
      ::_exit(141);
    } else if (errno != EINTR) {
      return fail({.what = "cannot write the result",
                   .where = "standard output",
                   .got = std::strerror(errno),
                   .wanted = {},
                   .remedy = "free space on the disk or write somewhere else"});
    }
  }
  return {};
}

void tell(const std::string& message) { std::fputs(message.c_str(), stderr); }

std::string size_text(double bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(units)) {
    bytes /= 1000;
    ++unit;
  }
  return bytes < 9.95 && unit > 0 ? fmt::format("{:.1f} {}", bytes, units[unit])
                                  : fmt::format("{:.0f} {}", bytes, units[unit]);
}

}  // namespace farthing
