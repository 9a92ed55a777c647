// The experts of a block, and the router that sends each token to some of them.
#pragma once

#include <optional>
#include <vector>

#include "model/decoder/parts.h"

namespace farthing {

class Experts {
 public:
  explicit Experts(const ExpertsPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x) const;

 private:
  ExpertsPlan plan_;
  Linears router_;
  std::vector<Mlp> experts_;
  std::optional<Mlp> shared_;
  VectorWeight choice_bias_;
};

}  // namespace farthing
