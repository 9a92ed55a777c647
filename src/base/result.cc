// The text of an Error.
#include "base/result.h"

namespace farthing {

std::string Error::text() const {
  std::string out = what;
  const auto add = [&](const char* label, const std::string& part) {
    if (!part.empty()) out += std::string("\n  ") + label + part;
  };
  add("where:  ", where);
  add("got:    ", got);
  add("wanted: ", wanted);
  add("to do:  ", remedy);
  return out;
}

}  // namespace farthing
