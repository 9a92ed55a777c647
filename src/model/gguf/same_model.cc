// The parts of a plan, one after another.
#include "model/gguf/same_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace farthing {
namespace {

// Keeps the first difference.
class Comparison {
 public:
  std::optional<ModelDifference> found;
  std::string at;  // what is compared now

  template <class T>
  void same(const char* part, const T& wanted, const T& got) {
    if (!(wanted == got)) differ(part, fmt::format("{}", wanted), fmt::format("{}", got));
  }
  template <class T>
  void same_choice(const char* part, T wanted, T got) {  // of an enumeration
    same(part, static_cast<int>(wanted), static_cast<int>(got));
  }
  // Of which a file holds an f32, or what a few roundings make of one.
  void close(const char* part, double wanted, double got) {
    if (!(std::abs(wanted - got) <= 1e-6 * std::abs(wanted)))
      differ(part, fmt::format("{}", wanted), fmt::format("{}", got));
  }

  void compare(const char* part, const NormPlan& wanted, const NormPlan& got) {
    within(part, [&] {
      same("size", wanted.size, got.size);
      if (wanted.size == 0) return;
      same("epsilon", wanted.epsilon, got.epsilon);
      same_choice("kind", wanted.kind, got.kind);
    });
  }
  void compare(const char* part, const LinearPlan& wanted, const LinearPlan& got) {
    within(part, [&] {
      same("name", wanted.name, got.name);
      same("outputs", wanted.n, got.n);
      same("inputs", wanted.k, got.k);
      same("bias", wanted.bias, got.bias);
    });
  }
  void compare(const char* part, const std::vector<LinearPlan>& wanted,
               const std::vector<LinearPlan>& got) {
    same(part, wanted.size(), got.size());
    for (size_t i = 0; i < wanted.size() && !found; ++i) compare(part, wanted[i], got[i]);
  }
  void compare(const char* part, const AttentionPlan& wanted, const AttentionPlan& got) {
    within(part, [&] {
      same("heads", wanted.heads, got.heads);
      same("kv_heads", wanted.kv_heads, got.kv_heads);
      same("head_dim", wanted.head_dim, got.head_dim);
      compare("inputs", wanted.inputs, got.inputs);
      compare("output", wanted.output, got.output);
      compare("q_norm", wanted.q_norm, got.q_norm);
      compare("k_norm", wanted.k_norm, got.k_norm);
      same("rope", wanted.rope, got.rope);
      same("scale", wanted.scale, got.scale);
      same("softcap", wanted.softcap, got.softcap);
      same("window", wanted.window, got.window);
      same("sinks", wanted.sinks, got.sinks);
      same("rotation", wanted.hadamard, got.hadamard);
    });
  }
  void compare(const char* part, const LatentAttentionPlan& wanted,
               const LatentAttentionPlan& got) {
    within(part, [&] {
      same("heads", wanted.heads, got.heads);
      same("kv_lora_rank", wanted.kv_rank, got.kv_rank);
      same("qk_nope_head_dim", wanted.plain_dim, got.plain_dim);
      same("qk_rope_head_dim", wanted.rotary_dim, got.rotary_dim);
      same("v_head_dim", wanted.value_dim, got.value_dim);
      same("rope_interleave", wanted.interleaved_rope, got.interleaved_rope);
      close("scale", wanted.scale, got.scale);
      same("rotation", wanted.hadamard, got.hadamard);
      compare("query_latent", wanted.query_latent, got.query_latent);
      compare("query_norm", wanted.query_norm, got.query_norm);
      compare("query", wanted.query, got.query);
      compare("kv_latent", wanted.kv_latent, got.kv_latent);
      compare("kv_norm", wanted.kv_norm, got.kv_norm);
      compare("key_value", wanted.key_value, got.key_value);
      compare("output", wanted.output, got.output);
    });
  }
  void compare(const char* part, const MlpPlan& wanted, const MlpPlan& got) {
    within(part, [&] {
      same_choice("activation function", wanted.function, got.function);
      same("swiglu_alpha", wanted.clamped.alpha, got.clamped.alpha);
      same("swiglu_limit", wanted.clamped.limit, got.clamped.limit);
      same("rotation", wanted.hadamard, got.hadamard);
      compare("inputs", wanted.inputs, got.inputs);
      compare("down", wanted.down, got.down);
    });
  }
  void compare(const char* part, const ExpertsPlan& wanted, const ExpertsPlan& got) {
    within(part, [&] {
      same("count", wanted.experts.size(), got.experts.size());
      if (found || wanted.experts.empty()) return;
      const ops::RoutingOptions &w = wanted.routing, &g = got.routing;
      compare("router", wanted.router, got.router);
      same("chosen", w.chosen, g.chosen);
      same("norm_topk_prob", w.renormalize, g.renormalize);
      same_choice("scores", w.scores, g.scores);
      close("routed_scaling_factor", w.factor, g.factor);
      same("n_group", w.groups, g.groups);
      same("topk_group", w.chosen_groups, g.chosen_groups);
      same("best of a group", w.best_of_group, g.best_of_group);
      same("choice bias", wanted.choice_bias, got.choice_bias);
      compare("shared", wanted.shared, got.shared);
      for (size_t e = 0; e < wanted.experts.size() && !found; ++e)
        compare(fmt::format("expert {}", e).c_str(), wanted.experts[e], got.experts[e]);
    });
  }
  // What turns a pair: constants of one kind of scaling may become factors.
  void compare(const char* part, const RopePlan& wanted, const RopePlan& got) {
    within(part, [&] {
      same("rotary_dim", wanted.rotary_dim, got.rotary_dim);
      close("attention_factor", wanted.parameters.attention_factor,
            got.parameters.attention_factor);
      same("positions of the factors", wanted.parameters.most_positions,
           got.parameters.most_positions);
      if (found) return;
      const RopeTable w(wanted.parameters, wanted.rotary_dim), g(got.parameters, got.rotary_dim);
      for (size_t i = 0; i < w.frequencies().size(); ++i)
        close(fmt::format("frequency {}", i).c_str(), w.frequencies()[i], g.frequencies()[i]);
    });
  }
  void compare(const char* part, const BlockPlan& wanted, const BlockPlan& got) {
    within(part, [&] {
      compare("attention_norm", wanted.attention_norm, got.attention_norm);
      compare("after_attention", wanted.after_attention, got.after_attention);
      compare("mlp_norm", wanted.mlp_norm, got.mlp_norm);
      compare("after_mlp", wanted.after_mlp, got.after_mlp);
      compare("attention", wanted.attention, got.attention);
      compare("attention", wanted.latent, got.latent);
      if (wanted.experts.experts.empty() && got.experts.experts.empty())
        compare("mlp", wanted.mlp, got.mlp);
      compare("experts", wanted.experts, got.experts);
      same("parallel", wanted.parallel, got.parallel);
    });
  }

 private:
  template <class Compare>
  void within(const char* part, const Compare& compare_parts) {
    if (found) return;
    const std::string before = at;
    at += (at.empty() ? "" : ", ") + std::string(part);
    compare_parts();
    at = before;
  }
  void differ(const char* part, std::string wanted, std::string got) {
    if (!found) found = {at + (at.empty() ? "" : ", ") + part, std::move(wanted), std::move(got)};
  }
};

}  // namespace

std::optional<ModelDifference> difference_of_models(const ModelConfig& wanted,
                                                    const ModelConfig& got) {
  const DecoderPlan &w = wanted.plan, &g = got.plan;
  Comparison c;
  c.same("max_position_embeddings", wanted.max_positions, got.max_positions);
  c.compare("embedding", w.embedding, g.embedding);
  c.same("embedding scale", w.embedding_scale, g.embedding_scale);
  c.compare("positions", w.positions, g.positions);
  c.same("first position", w.first_position, g.first_position);
  c.same("kinds of positions", w.ropes.size(), g.ropes.size());
  for (size_t i = 0; i < w.ropes.size() && !c.found; ++i) c.compare("rope", w.ropes[i], g.ropes[i]);
  c.same("num_hidden_layers", w.blocks.size(), g.blocks.size());
  for (size_t i = 0; i < w.blocks.size() && !c.found; ++i)
    c.compare(fmt::format("block {}", i).c_str(), w.blocks[i], g.blocks[i]);
  c.compare("final norm", w.final_norm, g.final_norm);
  c.compare("head", w.head, g.head);
  c.same("final_logit_softcapping", w.logit_softcap, g.logit_softcap);
  return std::move(c.found);
}

}  // namespace farthing
