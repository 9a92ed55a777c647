// WeightVisitor: what is done with every weight of a model, in the order in which the model runs
// them: naming them, loading them, handing them to the trainer.
#pragma once

#include "autograd/parameter.h"
#include "model/model.h"

namespace farthing {

class WeightVisitor {
 public:
  virtual ~WeightVisitor() = default;
  // A table of rows that tokens or positions choose.
  virtual Result<> table(const LinearSpec& spec, TableWeight& weight) = 0;
  virtual Result<> linear(const LinearSpec& spec, LinearWeight& weight) = 0;
  virtual Result<> vector(const VectorSpec& spec, VectorWeight& weight) = 0;
  // The head; a tied one is the embedding.
  virtual Result<> head(const LinearSpec& spec, LinearWeight& weight, bool tied) = 0;
};

}  // namespace farthing
