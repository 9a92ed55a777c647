// Tables and counts as text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace farthing {

// Rows of cells as lines of columns; the first row is the header. A column whose cells below the
// header are all numbers is aligned to the right.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

// "134,515,008"
std::string count_text(int64_t count);

}  // namespace farthing
