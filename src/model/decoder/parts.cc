// What a block's parts compute, and which weights they have.
#include "model/decoder/parts.h"

#include <array>

namespace farthing {

namespace ag = autograd;

namespace {

bool is_all(const ColumnsPlan& columns, const LinearPlan& of) {
  return columns.begin == 0 && columns.count == of.n && columns.width == of.n;
}

}  // namespace

Result<> Norm::visit(WeightVisitor& visitor) {
  return visitor.vector({plan_.name + ".weight", plan_.size}, gain_);
}

ag::Value Norm::run(Context& context, const ag::Value& x) const {
  return ag::rms_norm(context, x, gain_, plan_.epsilon);
}

Linears::Linears(std::vector<LinearPlan> plans)
    : plans_(std::move(plans)), weights_(plans_.size()) {
  CHECK(!plans_.empty() && plans_.size() <= most);
}

Result<> Linears::visit(WeightVisitor& visitor) {
  for (size_t i = 0; i < plans_.size(); ++i) TRY(visitor.linear(spec_of(plans_[i]), weights_[i]));
  return {};
}

void Linears::run(Context& context, const ag::Value& x, std::span<const ColumnsPlan> columns,
                  std::span<ag::Value> out) const {
  std::array<const LinearWeight*, most> weights;
  std::array<ag::Value, most> y;
  for (size_t i = 0; i < plans_.size(); ++i) {
    weights[i] = &weights_[i];
    y[i] = ag::new_value(context, x.data.rows, plans_[i].n);
  }
  ag::linear_into(context, x, {weights.data(), plans_.size()}, {y.data(), plans_.size()});
  for (size_t i = 0; i < columns.size(); ++i) {
    CHECK(is_all(columns[i], plans_[columns[i].linear]));
    out[i] = y[columns[i].linear];
  }
}

ag::Value Linears::run(Context& context, const ag::Value& x) const {
  const auto all = ColumnsPlan::all(0, plans_[0].n);
  ag::Value out;
  run(context, x, {&all, 1}, {&out, 1});
  return out;
}

Attention::Attention(const AttentionPlan& plan)
    : plan_(plan), inputs_(plan.inputs), output_({plan.output}) {}

Result<> Attention::visit(WeightVisitor& visitor) {
  TRY(inputs_.visit(visitor));
  return output_.visit(visitor);
}

ag::Value Attention::run(Context& context, const ag::Value& x, const Batch& batch, RopeTable& rope,
                         int64_t layer) const {
  std::array<ag::Value, 3> qkv;
  inputs_.run(context, x, std::array{plan_.q, plan_.k, plan_.v}, qkv);
  const auto& [q, k, v] = qkv;
  ag::rope(context, rope, batch.positions, plan_.head_dim, q);
  ag::rope(context, rope, batch.positions, plan_.head_dim, k);
  return output_.run(context, ag::attention(context, q, k, v, batch.sequences, layer));
}

Mlp::Mlp(const MlpPlan& plan) : plan_(plan), inputs_(plan.inputs), down_({plan.down}) {}

Result<> Mlp::visit(WeightVisitor& visitor) {
  TRY(inputs_.visit(visitor));
  return down_.visit(visitor);
}

ag::Value Mlp::run(Context& context, const ag::Value& x) const {
  std::array<ag::Value, 2> y;
  inputs_.run(context, x, std::array{plan_.gate, plan_.up}, y);
  return down_.run(context, ag::swiglu(context, y[0], y[1]));
}

}  // namespace farthing
