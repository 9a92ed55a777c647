// Queries, keys and values from their latent vectors; then attention as everywhere.
#include "model/decoder/latent_attention.h"

#include <array>

namespace farthing {

namespace ag = autograd;

namespace {

bool has_query_latent(const LatentAttentionPlan& plan) { return !plan.query_latent.name.empty(); }

// Where element i of a rotated part lies in the weights' order: ours are halves.
int64_t rotary_source(const LatentAttentionPlan& plan, int64_t i) {
  const int64_t half = plan.rotary_dim / 2;
  return plan.interleaved_rope ? 2 * (i % half) + i / half : i;
}

}  // namespace

LatentAttention::LatentAttention(const LatentAttentionPlan& plan)
    : plan_(plan),
      inputs_({has_query_latent(plan) ? plan.query_latent : plan.query, plan.kv_latent}),
      key_value_({plan.key_value}),
      output_({plan.output}),
      query_norm_(plan.query_norm),
      kv_norm_(plan.kv_norm),
      hadamard_(hadamard_of(plan.hadamard, plan.head_dim())) {
  if (has_query_latent(plan)) query_.emplace(std::vector{plan.query});
  const int64_t head = plan.head_dim(), of_latent = plan.plain_dim + plan.value_dim;
  const auto add = [](std::vector<int32_t>& to, int64_t column) {
    to.push_back(static_cast<int32_t>(column));
  };
  for (int64_t i = 0; i < plan.rotary_dim; ++i)
    add(shared_key_columns_, plan.kv_rank + rotary_source(plan, i));
  for (int64_t h = 0; h < plan.heads; ++h) {
    for (int64_t i = 0; i < plan.rotary_dim; ++i) {
      add(query_columns_, h * head + plan.plain_dim + rotary_source(plan, i));
      add(key_columns_, -1);
      add(every_heads_key_columns_, i);
    }
    for (int64_t i = 0; i < plan.plain_dim; ++i) {
      add(query_columns_, h * head + i);
      add(key_columns_, h * of_latent + i);
      add(every_heads_key_columns_, -1);
    }
    for (int64_t i = 0; i < head; ++i)
      add(value_columns_, i < plan.value_dim ? h * of_latent + plan.plain_dim + i : -1);
    for (int64_t i = 0; i < plan.value_dim; ++i) add(output_columns_, h * head + i);
  }
}

Result<> LatentAttention::visit(WeightVisitor& visitor) {
  TRY(inputs_.visit(visitor));
  TRY(query_norm_.visit(visitor));
  if (query_) TRY(query_->visit(visitor));
  TRY(kv_norm_.visit(visitor));
  TRY(key_value_.visit(visitor));
  return output_.visit(visitor);
}

ag::Value LatentAttention::run(Context& context, const ag::Value& x, const Batch& batch,
                               RopeTable& rope, int64_t layer) const {
  const int64_t of_query = has_query_latent(plan_) ? plan_.query_latent.n : plan_.query.n;
  const std::array columns{ColumnsPlan::all(0, of_query), ColumnsPlan::all(1, plan_.kv_latent.n),
                           ColumnsPlan::block(1, 0, plan_.kv_rank)};
  std::array<ag::Value, 3> latent;
  if (!inputs_.run(context, x, columns, latent)) return x;
  ag::Value q = latent[0];
  if (query_) q = query_->run(context, query_norm_.run(context, q));
  if (pass_ended(context)) return x;
  q = ag::select_columns(context, q, query_columns_);
  ag::rope(context, rope, batch.positions, plan_.head_dim(), q);

  const ag::Value shared = ag::select_columns(context, latent[1], shared_key_columns_);
  ag::rope(context, rope, batch.positions, plan_.rotary_dim, shared);
  const ag::Value kv = key_value_.run(context, kv_norm_.run(context, latent[2]));
  if (pass_ended(context)) return x;
  const ag::Value k = ag::add(context, ag::select_columns(context, kv, key_columns_),
                              ag::select_columns(context, shared, every_heads_key_columns_));
  const ag::Value v = ag::select_columns(context, kv, value_columns_);
  if (hadamard_ != nullptr) {
    ag::hadamard(context, *hadamard_, q);
    ag::hadamard(context, *hadamard_, k);
  }
  const ag::Value out =
      ag::attention(context, q, k, v, batch.sequences, layer, {.scale = plan_.scale});
  return output_.run(context, ag::select_columns(context, out, output_columns_));
}

}  // namespace farthing
