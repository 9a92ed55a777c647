// What a block's parts compute, and which weights they have.
#include "model/decoder/parts.h"

#include <array>

namespace farthing {

namespace ag = autograd;

namespace {

bool is_all(const ColumnsPlan& columns, const LinearPlan& of) {
  return columns.begin == 0 && columns.count == of.n && columns.width == columns.step;
}

}  // namespace

Result<> Norm::visit(WeightVisitor& visitor) {
  if (plan_.name.empty()) return {};
  const auto specs = vectors_of(plan_);
  TRY(visitor.vector(specs[0], gain_));
  if (specs.size() > 1) return visitor.vector(specs[1], bias_);
  return {};
}

ag::Value Norm::run(Context& context, const ag::Value& x) const {
  if (plan_.name.empty()) return x;
  if (plan_.kind == NormKind::layer) return ag::layer_norm(context, x, gain_, bias_, plan_.epsilon);
  const float offset = plan_.kind == NormKind::rms_one_plus ? 1.0f : 0.0f;
  return ag::rms_norm(context, x, gain_, offset, plan_.epsilon);
}

const ops::HadamardMatrix* hadamard_of(bool wanted, int64_t size) {
  if (!wanted) return nullptr;
  const ops::HadamardMatrix* const found = ops::HadamardMatrix::find(size);
  CHECK(found != nullptr);
  return found;
}

Linears::Linears(std::vector<LinearPlan> plans)
    : plans_(std::move(plans)), weights_(plans_.size()), biases_(plans_.size()) {
  CHECK(!plans_.empty() && plans_.size() <= most);
}

Result<> Linears::visit(WeightVisitor& visitor) {
  for (size_t i = 0; i < plans_.size(); ++i) {
    TRY(visitor.linear(spec_of(plans_[i]), weights_[i]));
    if (plans_[i].bias) TRY(visitor.vector(bias_of(plans_[i]), biases_[i]));
  }
  return {};
}

bool Linears::run(Context& context, const ag::Value& x, std::span<const ColumnsPlan> columns,
                  std::span<ag::Value> out) const {
  std::array<const LinearWeight*, most> weights;
  std::array<ag::Value, most> y;
  for (size_t i = 0; i < plans_.size(); ++i) {
    weights[i] = &weights_[i];
    y[i] = ag::new_value(context, x.data.rows, plans_[i].n);
  }
  if (!ag::linear_into(context, x, {weights.data(), plans_.size()}, {y.data(), plans_.size()}))
    return false;
  for (size_t i = 0; i < plans_.size(); ++i)
    if (plans_[i].bias) ag::add_bias(context, biases_[i], y[i]);
  for (size_t i = 0; i < columns.size(); ++i) {
    const ColumnsPlan& c = columns[i];
    out[i] = is_all(c, plans_[c.linear])
                 ? y[c.linear]
                 : ag::columns(context, y[c.linear], c.begin, c.width, c.step, c.count);
  }
  return true;
}

ag::Value Linears::run(Context& context, const ag::Value& x) const {
  const auto all = ColumnsPlan::all(0, plans_[0].n);
  ag::Value out;
  return run(context, x, {&all, 1}, {&out, 1}) ? out : x;
}

Attention::Attention(const AttentionPlan& plan)
    : plan_(plan),
      inputs_(plan.inputs),
      output_({plan.output}),
      q_norm_(plan.q_norm),
      k_norm_(plan.k_norm),
      hadamard_(hadamard_of(plan.hadamard, plan.head_dim)) {}

Result<> Attention::visit(WeightVisitor& visitor) {
  TRY(inputs_.visit(visitor));
  TRY(q_norm_.visit(visitor));
  TRY(k_norm_.visit(visitor));
  if (!plan_.sinks.empty()) TRY(visitor.vector({plan_.sinks, plan_.heads, 0.0f}, sinks_));
  return output_.visit(visitor);
}

ag::Value Attention::run(Context& context, const ag::Value& x, const Batch& batch,
                         std::span<RopeTable> ropes, int64_t layer) const {
  std::array<ag::Value, 3> qkv;
  if (!inputs_.run(context, x, std::array{plan_.q, plan_.k, plan_.v}, qkv)) return x;
  const ag::Value q = q_norm_.run(context, qkv[0]);
  const ag::Value k = k_norm_.run(context, qkv[1]);
  if (plan_.rope >= 0) {
    RopeTable& rope = ropes[static_cast<size_t>(plan_.rope)];
    ag::rope(context, rope, batch.positions, plan_.head_dim, q);
    ag::rope(context, rope, batch.positions, plan_.head_dim, k);
  }
  if (hadamard_ != nullptr) {
    ag::hadamard(context, *hadamard_, q);
    ag::hadamard(context, *hadamard_, k);
  }
  const ops::AttentionOptions options{plan_.scale, plan_.softcap, plan_.window};
  return output_.run(context, ag::attention(context, q, k, qkv[2], batch.sequences, layer, options,
                                            plan_.sinks.empty() ? nullptr : &sinks_));
}

Mlp::Mlp(const MlpPlan& plan)
    : plan_(plan),
      inputs_(plan.inputs),
      down_({plan.down}),
      hadamard_(hadamard_of(plan.hadamard, plan.down.k)) {}

Result<> Mlp::visit(WeightVisitor& visitor) {
  TRY(inputs_.visit(visitor));
  return down_.visit(visitor);
}

std::vector<const LinearWeight*> Mlp::linears() const {
  std::vector<const LinearWeight*> out;
  for (const Linears* part : {&inputs_, &down_})
    for (const LinearWeight& weight : part->weights()) out.push_back(&weight);
  return out;
}

ag::Value Mlp::down(Context& context, const ag::Value& inner) const {
  if (hadamard_ != nullptr) ag::hadamard(context, *hadamard_, inner);
  return down_.run(context, inner);
}

ag::Value Mlp::run(Context& context, const ag::Value& x) const {
  if (plan_.up.count == 0) {
    const auto all = ColumnsPlan::all(0, plan_.inputs[0].n);
    ag::Value inner;
    if (!inputs_.run(context, x, {&all, 1}, {&inner, 1})) return x;
    return down(context, ag::activation(context, plan_.function, inner));
  }
  std::array<ag::Value, 2> y;
  if (!inputs_.run(context, x, std::array{plan_.gate, plan_.up}, y)) return x;
  const auto& [gate, up] = y;
  if (plan_.clamped.limit != 0)
    return down(context, ag::clamped_swiglu(context, gate, up, plan_.clamped));
  if (plan_.function == ActivationFunction::silu)
    return down(context, ag::swiglu(context, gate, up));
  return down(context, ag::multiply(context, ag::activation(context, plan_.function, gate), up));
}

}  // namespace farthing
