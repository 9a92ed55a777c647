// Edit distance: insertions, removals and replacements of one letter.
#include "base/nearest_name.h"

#include <algorithm>
#include <vector>

namespace farthing {

std::string nearest_name(std::string_view given, std::span<const std::string> candidates) {
  const auto edits = [&](std::string_view to) {
    std::vector<size_t> row(to.size() + 1);
    for (size_t j = 0; j <= to.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= given.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= to.size(); ++j) {
        const size_t replaced = diagonal + (given[i - 1] == to[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    return row.back();
  };
  std::string best;
  size_t fewest = std::max<size_t>(2, given.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t count = edits(candidate);
    if (count < fewest) {
      fewest = count;
      best = candidate;
    }
  }
  return best;
}

}  // namespace farthing
