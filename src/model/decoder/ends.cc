// From tokens to the first block's input, and from the last block's output to logits.
#include "model/decoder/ends.h"

namespace farthing {

namespace ag = autograd;

Result<> Embedding::visit(WeightVisitor& visitor) {
  TRY(visitor.table(spec_of(plan_.embedding), embedding_));
  if (plan_.positions.name.empty()) return {};
  return visitor.table(spec_of(plan_.positions), positions_);
}

ag::Value Embedding::run(Context& context, std::span<const int32_t> tokens,
                         std::span<const int32_t> positions) const {
  const ag::Value x = ag::embedding(context, embedding_, tokens);
  if (plan_.embedding_scale != 1) ag::scale(context, plan_.embedding_scale, x);
  if (plan_.positions.name.empty()) return x;
  const auto count = positions.size();
  int32_t* const rows = context.workspace.take<int32_t>(static_cast<int64_t>(count));
  for (size_t i = 0; i < count; ++i)
    rows[i] = positions[i] + static_cast<int32_t>(plan_.first_position);
  return ag::add(context, x, ag::embedding(context, positions_, {rows, count}));
}

Result<> Head::visit(WeightVisitor& visitor) {
  TRY(norm_.visit(visitor));
  const bool tied = plan_.head.name.empty();
  return visitor.head(spec_of(tied ? plan_.embedding : plan_.head), head_, tied);
}

void Head::run(Context& context, const ag::Value& x, const ag::Value& logits) const {
  const ag::Value normed = norm_.run(context, x);
  const LinearWeight* const weight = &head_;
  const float cap = plan_.logit_softcap;
  const ag::Value raw = cap == 0 || context.tape == nullptr
                            ? logits
                            : ag::new_value(context, logits.data.rows, logits.data.columns);
  if (!ag::linear_into(context, normed, {&weight, 1}, {&raw, 1})) return;
  if (cap != 0) ag::softcap_into(context, cap, raw, logits);
}

}  // namespace farthing
