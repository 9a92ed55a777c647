// Scales from the master, kept, or learned; gradients straight through the rounding.
#include "train/weight_rounding.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ops/linear/encode.h"
#include "ops/rows.h"

namespace farthing {
namespace {

using ops::AffineGrid;
using ops::OutsideGradient;
using ops::ScaleSharing;

AffineGrid grid_of(const Parameter& weight) {
  const IntegerGrid& g = *weight.scheme.weights->grid;
  const ScaleSharing sharing{g.group == 0 ? ScaleSharing::per_row : ScaleSharing::per_group,
                             g.group};
  return ops::affine_grid(sharing, g.bits, weight.rule);
}

int64_t columns_of(const Parameter& weight) { return weight.value.shape()[1]; }

std::span<float> values_of(Tensor& t) {
  return {t.as<float>(), static_cast<size_t>(t.shape().elements())};
}

// The rule's scales, rounded as they would be stored.
Tensor rule_scales(Context& context, const Parameter& weight) {
  QuantizedTensor q = QuantizedTensor::allocate(*weight.scheme.weights, weight.value.shape()[0],
                                                columns_of(weight));
  ops::encode_weight(context, weight.value.view<float>(), weight.rule, q);
  const int64_t groups = q.format->grid->groups(q.k);
  Tensor out(DType::f32, {q.n, groups});
  std::vector<int32_t> zeros(static_cast<size_t>(q.n));
  std::vector<float> of_group(static_cast<size_t>(q.n));
  for (int64_t g = 0; g < groups; ++g) {
    q.format->group_parameters(q, 0, q.n, g, of_group.data(), zeros.data());
    for (int64_t n = 0; n < q.n; ++n) out.as<float>()[n * groups + g] = of_group[n];
  }
  return out;
}

// Squared error of a group on the grid of a scale.
double squared_error(const float* w, int64_t count, float scale, const AffineGrid& grid) {
  const auto low = static_cast<float>(grid.qmin), high = static_cast<float>(grid.qmax);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double d = round_even(std::clamp(w[i] / scale, low, high)) * scale - w[i];
    sum += d * d;
  }
  return sum;
}

void shrink_to_least_squares(Context& context, const Parameter& weight, Tensor& scales) {
  const AffineGrid grid = grid_of(weight);
  const int64_t k = columns_of(weight), groups = grid.sharing.groups(k);
  const int64_t size = grid.sharing.kind == ScaleSharing::per_group ? grid.sharing.group : k;
  const auto w = weight.value.view<float>();
  ops::for_each_row(context, w.rows, k * 60, [&](int64_t n) {
    for (int64_t g = 0; g < groups; ++g) {
      float& scale = scales.as<float>()[n * groups + g];
      const int64_t begin = g * size, count = std::min(size, k - begin);
      const float first = scale;
      double least = squared_error(w.row(n) + begin, count, first, grid);
      for (int percent = 99; percent >= 40; --percent) {
        const float tried = first * (static_cast<float>(percent) / 100.0f);
        const double error = squared_error(w.row(n) + begin, count, tried, grid);
        if (error < least) {
          least = error;
          scale = tried;
        }
      }
    }
  });
}

Tensor first_scales(Context& context, const Parameter& weight, ScaleStart start) {
  Tensor out = rule_scales(context, weight);
  if (start == ScaleStart::least_squares) shrink_to_least_squares(context, weight, out);
  if (start == ScaleStart::mean)
    ops::lsq_start_scales(context, weight.value.view<float>(), grid_of(weight), ops::LsqStart::mean,
                          values_of(out));
  for (float& scale : values_of(out)) scale = std::max(scale, ops::lsq_least_scale);
  return out;
}

constexpr std::pair<std::string_view, ScaleTraining> scale_trainings[] = {
    {"dynamic", ScaleTraining::dynamic},
    {"static", ScaleTraining::fixed},
    {"learned", ScaleTraining::learned}};
constexpr std::pair<std::string_view, ScaleStart> scale_starts[] = {
    {"rule", ScaleStart::rule},
    {"mean", ScaleStart::mean},
    {"least_squares", ScaleStart::least_squares}};
constexpr std::pair<std::string_view, OutsideGradient> outside_gradients[] = {
    {"pass_through", OutsideGradient::pass_through}, {"clipped", OutsideGradient::clipped}};

template <class T, size_t count>
std::optional<T> find(std::string_view name, const std::pair<std::string_view, T> (&all)[count]) {
  for (const auto& [each, value] : all)
    if (each == name) return value;
  return std::nullopt;
}

template <class T, size_t count>
std::string_view name_of(T wanted, const std::pair<std::string_view, T> (&all)[count]) {
  for (const auto& [name, each] : all)
    if (each == wanted) return name;
  return "?";
}

}  // namespace

std::optional<ScaleTraining> find_scale_training(std::string_view name) {
  return find(name, scale_trainings);
}
std::optional<ScaleStart> find_scale_start(std::string_view name) {
  return find(name, scale_starts);
}
std::optional<OutsideGradient> find_outside_gradient(std::string_view name) {
  return find(name, outside_gradients);
}

std::string RoundingOptions::text() const {
  std::string out = fmt::format("{} scales, {} gradient", name_of(scales, scale_trainings),
                                name_of(outside, outside_gradients));
  if (scales != ScaleTraining::dynamic)
    out += fmt::format(", start {}", name_of(start, scale_starts));
  if (scales == ScaleTraining::learned) out += fmt::format(", scale rate {}", scale_rate);
  return out;
}

bool can_round(const Format& format, const RoundingOptions& options) {
  const bool plain =
      options.scales == ScaleTraining::dynamic && options.outside == OutsideGradient::pass_through;
  return plain || format.encode_with_scales != nullptr;
}

WeightRounding::WeightRounding(Context& context, std::shared_ptr<Parameter> weight,
                               const RoundingOptions& options)
    : weight_(std::move(weight)) {
  if (!can_round(*weight_->scheme.weights, options)) return;
  outside_ = options.outside;
  if (options.scales == ScaleTraining::dynamic) return;
  Tensor scales = first_scales(context, *weight_, options.start);
  if (options.scales == ScaleTraining::fixed) {
    fixed_ = std::move(scales);
    return;
  }
  Tensor gradient(DType::f32, scales.shape());
  learned_ = std::make_shared<Parameter>(Parameter{.name = weight_->name + ".scales",
                                                   .value = std::move(scales),
                                                   .gradient = std::move(gradient),
                                                   .scheme = {find_format("f32"), Activations::f32},
                                                   .rate = options.scale_rate,
                                                   .decays = false});
}

EncodeReport WeightRounding::encode(Context& context, QuantizedTensor& to) const {
  const auto master = std::as_const(weight_->value).view<float>();
  if (learned_ == nullptr && !fixed_) return ops::encode_weight(context, master, weight_->rule, to);
  if (learned_ == nullptr)
    return ops::encode_weight_with_scales(context, master, weight_->rule, fixed_.view<float>(), to);
  const Workspace::Mark mark(context.workspace);
  const auto learned = learned_->value.view<float>();
  const auto used = context.workspace.take_rows<float>(learned.rows, learned.columns);
  for (int64_t i = 0; i < learned.rows * learned.columns; ++i)
    used.data[i] = learned.data[i] < ops::lsq_least_scale ? ops::lsq_least_scale : learned.data[i];
  return ops::encode_weight_with_scales(context, master, weight_->rule, used, to);
}

void WeightRounding::pass_gradient(Context& context, const QuantizedTensor& encoded) const {
  if (learned_ == nullptr && outside_ == OutsideGradient::pass_through) return;
  const Workspace::Mark mark(context.workspace);
  const AffineGrid grid = grid_of(*weight_);
  const int64_t groups = encoded.format->grid->groups(encoded.k), n = encoded.n;
  // the scales that the forward pass multiplied with
  const std::span<float> scales(context.workspace.take<float>(n * groups),
                                static_cast<size_t>(n * groups));
  const auto column = context.workspace.take<float>(n);
  const auto zeros = context.workspace.take<int32_t>(n);
  for (int64_t g = 0; g < groups; ++g) {
    encoded.format->group_parameters(encoded, 0, n, g, column, zeros);
    for (int64_t row = 0; row < n; ++row)
      scales[static_cast<size_t>(row * groups + g)] = column[row];
  }
  const auto master = std::as_const(weight_->value).view<float>();
  const auto of_decoded = context.workspace.take_rows<float>(n, encoded.k);
  const auto gradient = weight_->gradient.view<float>();
  std::copy_n(gradient.data, n * encoded.k, of_decoded.data);
  std::fill_n(gradient.data, n * encoded.k, 0.0f);
  if (learned_ == nullptr) {
    ops::fake_quantize_backward(context, master, grid, scales, {}, outside_, of_decoded, gradient);
  } else {
    ops::lsq_backward(context, master, grid, scales, ops::LsqCount::scale_elements, of_decoded,
                      gradient, values_of(learned_->gradient));
  }
}

}  // namespace farthing
