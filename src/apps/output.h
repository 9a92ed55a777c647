// Results on standard output, messages on standard error, and how both are laid out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/table_text.h"

namespace farthing {

// Writes and flushes. Fails where the text cannot be written, a full disk for example; where the
// reader has closed the pipe, the program ends quietly with status 141, as by SIGPIPE.
Result<> print(std::string_view text);

// Writes a message to standard error; nothing happens where nobody reads it.
void tell(const std::string& message);

// "1.5 kB", "135 MB"; powers of 1000.
std::string size_text(double bytes);

}  // namespace farthing
