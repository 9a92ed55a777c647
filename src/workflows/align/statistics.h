// Statistics: what a pair's differences add up to.
#pragma once

#include <cstdint>
#include <string>

#include "workflows/align/pairs.h"

namespace farthing {

class Statistics {
 public:
  // `tokens` positions are scored in all.
  Statistics(std::string name, int64_t tokens, double clip);
  // log p of both at one position; a position that is never added stays without.
  void add(int64_t token, double log_p_a, double log_p_b);
  Alignment result() const;

 private:
  Alignment pair_;
  double clip_, sum_ = 0, squares_ = 0, k3_ = 0, ratio_ = 0;
  int64_t clipped_ = 0;
};

}  // namespace farthing
