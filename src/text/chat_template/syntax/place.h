// Place: the line and the column of something in a template.
#pragma once

#include <fmt/format.h>

#include <string>

namespace farthing::jinja {

struct Place {
  int line = 1;
  int column = 1;  // in characters
  // As errors name it.
  std::string text() const { return fmt::format("line {}, column {}", line, column); }
};

}  // namespace farthing::jinja
