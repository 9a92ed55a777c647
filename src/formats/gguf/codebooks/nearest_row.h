// The row of a code book that is nearest to some numbers.
#pragma once

#include <algorithm>
#include <vector>

#include "formats/gguf/codebooks/grids.h"

namespace farthing::gguf {

// The numbers are first rounded to the nearest levels. If these are a row, it is the nearest one;
// else the nearest of the rows that lie closest to them, of which a list is made at first use.
template <const auto& grid>
class NearestRow {
 public:
  static const NearestRow& of_grid() {
    static const NearestRow made;
    return made;
  }

  int row(const float* x) const {
    const uint16_t* list = &lists_[static_cast<size_t>(key_of(x) * neighbours)];
    if ((list[0] & itself) != 0) return list[0] & ~itself;
    int best = list[0];
    float least = distance(x, list[0]);
    for (int i = 1; i < neighbours; ++i) {
      const float d = distance(x, list[i]);
      if (d < least) {
        least = d;
        best = list[i];
      }
    }
    return best;
  }

 private:
  static constexpr int width = grid.width, kinds = grid.level_kinds, neighbours = 16;
  static constexpr int itself = 0x8000;  // mark of a key that is a row

  NearestRow() {
    int keys = 1;
    for (int j = 0; j < width; ++j) keys *= kinds;
    lists_.resize(static_cast<size_t>(keys * neighbours));
    std::vector<std::pair<int, int>> order(static_cast<size_t>(grid.rows));
    for (int key = 0; key < keys; ++key) {
      int levels[width], rest = key;
      for (int j = width - 1; j >= 0; --j, rest /= kinds)
        levels[j] = grid.levels[static_cast<size_t>(rest % kinds)];
      for (int row = 0; row < grid.rows; ++row) {
        int sum = 0;
        for (int j = 0; j < width; ++j) {
          const int away = levels[j] - grid.row(row)[j];
          sum += away * away;
        }
        order[static_cast<size_t>(row)] = {sum, row};
      }
      std::partial_sort(order.begin(), order.begin() + neighbours, order.end());
      for (int i = 0; i < neighbours; ++i)
        lists_[static_cast<size_t>(key * neighbours + i)] =
            static_cast<uint16_t>(order[static_cast<size_t>(i)].second);
      if (order[0].first == 0) lists_[static_cast<size_t>(key * neighbours)] |= itself;
    }
  }

  static int key_of(const float* x) {
    int key = 0;
    for (int j = 0; j < width; ++j) {
      int level = 0;
      for (size_t i = 0; i + 1 < grid.levels.size(); ++i)
        level += x[j] > 0.5f * static_cast<float>(grid.levels[i] + grid.levels[i + 1]);
      key = key * kinds + level;
    }
    return key;
  }

  static float distance(const float* x, int row) {
    float sum = 0;
    for (int j = 0; j < width; ++j) {
      const float away = x[j] - static_cast<float>(grid.row(row)[j]);
      sum += away * away;
    }
    return sum;
  }

  std::vector<uint16_t> lists_;
};

}  // namespace farthing::gguf
