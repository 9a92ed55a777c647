// Clipping by the norm over all parameters, then AdamW's step on each.
#include "train/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/adamw.h"

namespace farthing {

Optimizer::Optimizer(AdamW settings, std::span<const std::shared_ptr<Parameter>> parameters)
    : settings_(settings), parameters_(parameters.begin(), parameters.end()) {
  for (const auto& p : parameters_)
    moments_.push_back(
        {Tensor(DType::f32, p->value.shape()), Tensor(DType::f32, p->value.shape())});
}

Result<double> Optimizer::step(Context& context, double learning_rate) {
  const auto elements = [](const Tensor& t) { return static_cast<size_t>(t.shape().elements()); };
  double squares = 0;
  for (const auto& p : parameters_) {
    const double sum =
        ops::sum_of_squares(context, {p->gradient.as<float>(), elements(p->gradient)});
    if (sum - sum != 0) {
      return fail({.what = "a gradient is not finite",
                   .where = p->name,
                   .got = fmt::format("a sum of squares of {} at step {}", sum, steps_ + 1),
                   .wanted = "finite gradients",
                   .remedy = "lower the learning rate, lengthen the warm-up, or clip harder "
                             "(optimizer.clip_norm), and resume from the last checkpoint"});
    }
    squares += sum;
  }
  const double norm = std::sqrt(squares);
  const bool clipped = settings_.clip_norm > 0 && norm > settings_.clip_norm;
  const auto scale = static_cast<float>(clipped ? settings_.clip_norm / norm : 1.0);
  ++steps_;
  AdamWParameters step{.learning_rate = learning_rate,
                       .beta1 = settings_.beta1,
                       .beta2 = settings_.beta2,
                       .epsilon = settings_.epsilon,
                       .correction1 = bias_correction(settings_.beta1, steps_),
                       .correction2 = bias_correction(settings_.beta2, steps_)};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& p = *parameters_[i];
    step.learning_rate = learning_rate * p.rate;
    step.weight_decay = p.decays ? settings_.weight_decay : 0.0;
    const size_t count = elements(p.value);
    ops::adamw_step(context, step, {p.value.as<float>(), count}, {p.gradient.as<float>(), count},
                    {moments_[i].first.as<float>(), count}, {moments_[i].second.as<float>(), count},
                    scale);
  }
  return norm;
}

}  // namespace farthing
