// Parameter: a tensor that is trained; and the weights of a model, which may have one behind them.
#pragma once

#include <memory>
#include <string>

#include "ops/linear/linear.h"

namespace farthing {

// The f32 master of a weight. The model never reads it: it reads what `scheme` encodes it to.
struct Parameter {
  std::string name;        // Hugging Face's
  Tensor value, gradient;  // f32, [n, k] or [n]
  Scheme scheme;           // f32 for vectors
  ScaleRule rule = ScaleRule::half_step;
  double rate = 1;     // its learning rate over the schedule's
  bool decays = true;  // AdamW's weight decay

  View<float, 2> gradient_rows() { return gradient.view<float>(); }
};

// A linear's weight: packed for its kernel, and, while it is trained, also as it is stored.
struct LinearWeight {
  PackedWeight packed;
  QuantizedTensor stored;  // trained weights only
  std::shared_ptr<Parameter> parameter;
  bool clips_input = false;  // the gradient of inputs that a static format clips is 0
};

// A table of rows that tokens choose.
struct TableWeight {
  QuantizedTensor stored;
  std::shared_ptr<Parameter> parameter;
};

// A vector beside the matrices, such as a norm's gain; f32.
struct VectorWeight {
  Tensor value;  // the parameter's own, where there is one
  std::shared_ptr<Parameter> parameter;
};

}  // namespace farthing
