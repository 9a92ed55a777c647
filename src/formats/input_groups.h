// Input groups: the group of each input, where a format stores it (Format::input_groups).
#pragma once

#include <string>

#include "formats/format.h"

namespace farthing {

inline bool has_input_groups(const Format& format) { return format.input_groups >= 0; }

// Fails where a plane that came from a file names a group that there is not: decoding relies on it.
// Nothing to check where the format has no such plane. `where`: the file and the weight.
Result<> check_input_groups(const QuantizedTensor& q, const std::string& where);

}  // namespace farthing
