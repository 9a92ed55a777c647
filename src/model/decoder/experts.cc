// Tokens are gathered by expert, and each token's experts are added in the order of their index.
#include "model/decoder/experts.h"

#include <algorithm>
#include <optional>

#include "base/rehearsal.h"

namespace farthing {

namespace ag = autograd;

Experts::Experts(const ExpertsPlan& plan) : plan_(plan), router_({plan.router}) {
  for (const MlpPlan& expert : plan.experts) experts_.emplace_back(expert);
  if (!plan.shared.inputs.empty()) shared_.emplace(plan.shared);
}

Result<> Experts::visit(WeightVisitor& visitor) {
  TRY(router_.visit(visitor));
  if (!plan_.choice_bias.empty())
    TRY(visitor.vector({plan_.choice_bias, plan_.router.n, 0.0f}, choice_bias_));
  for (Mlp& expert : experts_) TRY(expert.visit(visitor));
  if (shared_) return shared_->visit(visitor);
  return {};
}

ag::Value Experts::run(Context& context, const ag::Value& x) const {
  const ag::Value logits = router_.run(context, x);
  const auto [of, weights] = ag::route(context, logits, plan_.routing,
                                       plan_.choice_bias.empty() ? nullptr : &choice_bias_);
  const ag::Value out = ag::new_value(context, x.data.rows, x.data.columns);
  if (!rehearsing()) std::fill_n(out.data.data, x.data.rows * x.data.columns, 0.0f);
  for (size_t e = 0; e < experts_.size(); ++e) {
    const auto begin = static_cast<size_t>(of.begin[e]), end = static_cast<size_t>(of.begin[e + 1]);
    const bool every_row =
        context.probe != nullptr && context.probe->sends_every_row(experts_[e].linears());
    if (begin == end && !every_row) continue;
    std::optional<Workspace::Mark> mark;
    if (context.tape == nullptr) mark.emplace(context.workspace);
    if (every_row) {
      experts_[e].run(context, x);
      continue;
    }
    const auto rows = of.rows.subspan(begin, end - begin);
    if (context.probe != nullptr) context.probe->begin_expert(static_cast<int64_t>(e), rows);
    const ag::Value y = experts_[e].run(context, ag::select_rows(context, x, rows));
    if (!pass_ended(context))  // else the other experts' inputs are wanted too
      ag::add_weighted_rows(context, y, rows, of.slots.subspan(begin, end - begin), weights, out);
    if (context.probe != nullptr) context.probe->end_expert();
  }
  if (!shared_) return out;
  const ag::Value y = shared_->run(context, x);
  return pass_ended(context) ? out : ag::add(context, out, y);
}

}  // namespace farthing
