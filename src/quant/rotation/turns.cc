// Turns out of a decoder's plan.
#include "quant/rotation/turns.h"

#include <algorithm>
#include <numeric>

namespace farthing {
namespace {

constexpr uint64_t stream_of_hidden = 1, stream_of_values = 2;  // + the block's index

std::vector<int64_t> ascending(int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

bool is_layer(const NormPlan& norm) { return !norm.name.empty() && norm.kind == NormKind::layer; }

class Turns {
 public:
  Turns(const DecoderPlan& plan, const Rotation& rotation) : plan_(plan), rotation_(rotation) {
    bool layer = is_layer(plan.final_norm);
    for (const BlockPlan& block : plan.blocks)
      layer = layer || is_layer(block.attention_norm) || is_layer(block.mlp_norm);
    hidden_ = {layer ? TurnKind::keeps_mean : TurnKind::signs, plan.final_norm.size,
               stream_of_hidden, ascending(plan.final_norm.size)};
  }

  ModelTurns all() {
    if (rotation_.r1) ends();
    for (size_t i = 0; i < plan_.blocks.size(); ++i) {
      const BlockPlan& block = plan_.blocks[i];
      if (rotation_.r1) stream(block);
      if (rotation_.r2) values(block, stream_of_values + i);
      if (!rotation_.r4) continue;
      each_mlp(block, [&](const MlpPlan& mlp) {
        at(mlp.down).inputs = {TurnKind::plain, mlp.down.k, 0, ascending(mlp.down.k)};
      });
    }
    return std::move(out_);
  }

 private:
  LinearTurns& at(const LinearPlan& linear) { return out_.matrices[linear.name + ".weight"]; }

  template <class Visit>
  static void each_mlp(const BlockPlan& block, const Visit& visit) {
    if (block.experts.experts.empty()) return visit(block.mlp);
    for (const MlpPlan& expert : block.experts.experts) visit(expert);
    if (!block.experts.shared.inputs.empty()) visit(block.experts.shared);
  }

  void reads(const NormPlan& norm, const LinearPlan& linear) {
    at(linear).norm = norm;
    at(linear).inputs = hidden_;
  }
  void gives(const LinearPlan& linear, Turn turn) {
    if (linear.bias) out_.vectors[linear.name + ".bias"] = {turn, {}, false};
    at(linear).outputs = std::move(turn);
  }
  void norm(const NormPlan& norm) {
    if (norm.name.empty()) return;
    out_.vectors[norm.name + ".weight"] = {{}, norm, true};
    if (is_layer(norm)) out_.vectors[norm.name + ".bias"] = {hidden_, norm, false};
  }

  void ends() {
    at(plan_.embedding).inputs = hidden_;
    if (!plan_.positions.name.empty()) at(plan_.positions).inputs = hidden_;
    norm(plan_.final_norm);
    reads(plan_.final_norm, plan_.head);
  }

  void stream(const BlockPlan& block) {
    norm(block.attention_norm);
    norm(block.mlp_norm);
    if (const LatentAttentionPlan& latent = block.latent; latent.heads > 0) {
      reads(block.attention_norm,
            latent.query_latent.name.empty() ? latent.query : latent.query_latent);
      reads(block.attention_norm, latent.kv_latent);
      gives(latent.output, hidden_);
    } else {
      for (const LinearPlan& input : block.attention.inputs) reads(block.attention_norm, input);
      gives(block.attention.output, hidden_);
    }
    if (!block.experts.experts.empty()) reads(block.mlp_norm, block.experts.router);
    each_mlp(block, [&](const MlpPlan& mlp) {
      for (const LinearPlan& input : mlp.inputs) reads(block.mlp_norm, input);
      gives(mlp.down, hidden_);
    });
  }

  // The same matrix for all heads of a block: query heads share those of values.
  void values(const BlockPlan& block, uint64_t stream) {
    const auto turn = [&](int64_t size, std::vector<int64_t> places) -> Turn {
      return {TurnKind::signs, size, stream, std::move(places)};
    };
    if (const LatentAttentionPlan& latent = block.latent; latent.heads > 0) {
      const int64_t size = latent.value_dim;
      std::vector<int64_t> rows = ascending(latent.heads * size);
      for (int64_t& row : rows)
        row = row / size * (latent.plain_dim + size) + latent.plain_dim + row % size;
      gives(latent.key_value, turn(size, std::move(rows)));
      at(latent.output).inputs = turn(size, ascending(latent.heads * size));
      return;
    }
    const AttentionPlan& attention = block.attention;
    const ColumnsPlan& v = attention.v;
    std::vector<int64_t> rows = ascending(v.count);
    for (int64_t& row : rows) row = v.begin + v.step * (row / v.width) + row % v.width;
    gives(attention.inputs[v.linear], turn(attention.head_dim, std::move(rows)));
    at(attention.output).inputs =
        turn(attention.head_dim, ascending(attention.heads * attention.head_dim));
  }

  const DecoderPlan& plan_;
  const Rotation& rotation_;
  Turn hidden_;
  ModelTurns out_;
};

}  // namespace

ModelTurns turns_of(const ModelConfig& config, const Rotation& rotation) {
  return Turns(config.plan, rotation).all();
}

}  // namespace farthing
