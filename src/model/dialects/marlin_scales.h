// The order of scales in Marlin's files.
//
// Of several groups: of each 64 outputs, that of output i + 8 j at 8 i + j. Of one group: of each
// 32 outputs, at 8 i + j that of output 2 i + {0, 1, 8, 9, 16, 17, 24, 25}[j]. Source:
// IST-DASLab/marlin, marlin/__init__.py.
#pragma once

#include <cstdint>

namespace farthing {

// Outputs whose scales change places with each other.
inline int64_t marlin_scale_run(int64_t groups) { return groups > 1 ? 64 : 32; }

// The output whose scale lies at `at`.
inline int64_t marlin_output_at(int64_t groups, int64_t at) {
  constexpr int64_t offsets[] = {0, 1, 8, 9, 16, 17, 24, 25};
  const int64_t run = marlin_scale_run(groups), first = at / run * run, in_run = at - first;
  return first +
         (groups > 1 ? in_run / 8 + 8 * (in_run % 8) : 2 * (in_run / 8) + offsets[in_run % 8]);
}

}  // namespace farthing
