// Results on standard output, messages on standard error, and how both are laid out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing {

// Writes and flushes. Fails where the text cannot be written, a full disk for example; where the
// reader has closed the pipe, the program ends quietly with status 141, as by SIGPIPE.
Result<> print(std::string_view text);

// Writes a message to standard error; nothing happens where nobody reads it.
void tell(const std::string& message);

// Rows of cells as lines of columns; the first row is the header. A column whose cells below the
// header are all numbers is aligned to the right.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

// "1.5 kB", "135 MB"; powers of 1000.
std::string size_text(double bytes);
// "134,515,008"
std::string count_text(int64_t count);

}  // namespace farthing
