// WeightRounding: how a trained weight's master becomes codes, and how the gradient comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "autograd/parameter.h"
#include "ops/fake_quantize/fake_quantize.h"

namespace farthing {

// Where the scales of an integer format come from while it is trained.
enum class ScaleTraining {
  dynamic,  // the scale rule, from the master, anew before each forward pass
  fixed,    // chosen once, from the weights that training begins with: "static"
  learned,  // parameters with gradients of their own: LSQ (arXiv 1902.08153)
};
// What fixed and learned scales begin with.
enum class ScaleStart {
  rule,           // what the scale rule chooses
  mean,           // 2 mean|w| / sqrt(qmax): the LSQ paper's
  least_squares,  // the rule's scale times the one of 0.40, 0.41 .. 1 with the least squared error
};

struct RoundingOptions {
  ScaleTraining scales = ScaleTraining::dynamic;
  ScaleStart start = ScaleStart::rule;
  double scale_rate = 0.1;  // learned scales: their learning rate over that of the weights
  ops::OutsideGradient outside = ops::OutsideGradient::pass_through;  // learned: always clipped

  std::string text() const;  // all that decides, on one line
};

std::optional<ScaleTraining> find_scale_training(std::string_view name);
std::optional<ScaleStart> find_scale_start(std::string_view name);
std::optional<ops::OutsideGradient> find_outside_gradient(std::string_view name);

// Whether a format can do what the options ask for: all can have dynamic scales and gradients that
// pass through; the rest needs symmetric integer groups.
bool can_round(const Format& format, const RoundingOptions& options);

class WeightRounding {
 public:
  // `weight`: its value is what the scales begin with. Options that the format cannot do (a table
  // in f16, a linear that fell back) do not apply to it.
  WeightRounding(Context& context, std::shared_ptr<Parameter> weight,
                 const RoundingOptions& options);

  // The learned scales [n, groups], or null.
  const std::shared_ptr<Parameter>& learned_scales() const { return learned_; }

  // The master's codes.
  EncodeReport encode(Context& context, QuantizedTensor& to) const;

  // The weight's gradient is that of the decoded weight `encoded`: turns it into the master's, and
  // adds that of learned scales. Once a step, after the last batch: it is linear in the gradient.
  void pass_gradient(Context& context, const QuantizedTensor& encoded) const;

 private:
  std::shared_ptr<Parameter> weight_, learned_;
  Tensor fixed_;  // scales [n, groups]
  ops::OutsideGradient outside_ = ops::OutsideGradient::pass_through;
};

}  // namespace farthing
