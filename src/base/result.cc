// The text of an Error.
#include "base/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace farthing {
namespace {

constexpr size_t max_part_bytes = 4000;

// The control character at `i`, or 0: 0 to 31 but line ends and tabs, 127 to 159 (two bytes from
// 128 on: 0xC2 and its own).
int control_character(std::string_view text, size_t i) {
  const int byte = static_cast<unsigned char>(text[i]);
  const int next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
  if (byte == 0xc2 && next >= 0x80 && next < 0xa0) return next;
  return byte == 0x7f || (byte < 0x20 && byte != '\n' && byte != '\t') ? byte : 0;
}

std::string shown(std::string_view part) {
  size_t end = std::min(part.size(), max_part_bytes);
  while (end > 0 && end < part.size() && (static_cast<unsigned char>(part[end]) & 0xc0) == 0x80)
    --end;  // not inside a character
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    const int control = control_character(part, i);
    if (control > 0 || part[i] == '\0') {
      out += fmt::format("\\u{:04x}", control);
      i += control >= 0x80 ? 1 : 0;
    } else {
      out += part[i];
    }
  }
  if (end < part.size()) out += fmt::format("... and {} bytes more", part.size() - end);
  return out;
}

}  // namespace

std::string Error::text() const {
  std::string out = what;
  const auto add = [&](const char* label, const std::string& part) {
    if (!part.empty()) out += std::string("\n  ") + label + shown(part);
  };
  add("where:  ", where);
  add("got:    ", got);
  add("wanted: ", wanted);
  add("to do:  ", remedy);
  return out;
}

}  // namespace farthing
