// The Llama architecture (Llama, SmolLM2 and all that share its tensors): pre-norm blocks of grouped-query attention with
// rotary positions, and a SwiGLU MLP. Tensor names are Hugging Face's.
#include <fmt/format.h>

#include "model/model.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/norm.h"

namespace farthing {
namespace {

struct Block {
  Tensor attention_norm, mlp_norm;
  PackedWeight q, k, v, o, gate, up, down;
};

std::vector<LinearSpec> linears_of_block(const ModelConfig& c, int64_t layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const int64_t d = c.hidden_size, q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim, i = c.intermediate_size;
  return {{prefix + "self_attn.q_proj.weight", q, d},  {prefix + "self_attn.k_proj.weight", kv, d},
          {prefix + "self_attn.v_proj.weight", kv, d}, {prefix + "self_attn.o_proj.weight", d, q},
          {prefix + "mlp.gate_proj.weight", i, d},     {prefix + "mlp.up_proj.weight", i, d},
          {prefix + "mlp.down_proj.weight", d, i}};
}

class Llama : public Model {
 public:
  explicit Llama(ModelConfig config) : Model(std::move(config)), rope_(config_.rope, config_.head_dim) {}

  Result<> load(Context& context, WeightSource& source, Progress& progress) {
    const auto take = [&](const LinearSpec& spec, PackedWeight& into, bool table) -> Result<> {
      progress.update(loaded_, 7.0 * static_cast<double>(config_.layers) + 1, spec.name);
      StoredLinear linear = TRY(table ? source.table(spec) : source.linear(spec));
      into = ops::pack_weight(context, std::move(linear.weight), linear.activations);
      names_.push_back(spec.name);
      ++loaded_;
      return {};
    };
    const LinearSpec embedding{"model.embed_tokens.weight", config_.vocabulary_size, config_.hidden_size};
    StoredLinear table = TRY(source.table(embedding));
    embedding_ = table.weight;
    blocks_.resize(static_cast<size_t>(config_.layers));
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      Block& b = blocks_[static_cast<size_t>(layer)];
      const std::string prefix = fmt::format("model.layers.{}.", layer);
      b.attention_norm = TRY(source.vector(prefix + "input_layernorm.weight", config_.hidden_size));
      b.mlp_norm = TRY(source.vector(prefix + "post_attention_layernorm.weight", config_.hidden_size));
      PackedWeight* const slots[] = {&b.q, &b.k, &b.v, &b.o, &b.gate, &b.up, &b.down};
      const auto specs = linears_of_block(config_, layer);
      for (size_t i = 0; i < specs.size(); ++i) TRY(take(specs[i], *slots[i], false));
    }
    norm_ = TRY(source.vector("model.norm.weight", config_.hidden_size));
    if (config_.tied_embeddings) {
      head_ = ops::pack_weight(context, std::move(table.weight), table.activations);
      names_.push_back(embedding.name);
    } else {
      TRY(take({"lm_head.weight", config_.vocabulary_size, config_.hidden_size}, head_, true));
    }
    return {};
  }

  std::vector<LinearInfo> linears() const override {
    std::vector<LinearInfo> out;
    size_t i = 0;
    const auto add = [&](const PackedWeight& w) {
      out.push_back({names_[i++], w.n(), w.k(), w.scheme, w.kernel, w.bytes()});
    };
    for (const Block& b : blocks_)
      for (const PackedWeight* w : {&b.q, &b.k, &b.v, &b.o, &b.gate, &b.up, &b.down}) add(*w);
    add(head_);
    return out;
  }

  void forward(Context& context, Sequence& sequence, std::span<const int32_t> tokens,
               View<float, 2> logits) const override {
    const int64_t m = static_cast<int64_t>(tokens.size()), d = config_.hidden_size;
    const int64_t q_size = config_.heads * config_.head_dim, kv_size = config_.kv_heads * config_.head_dim;
    CHECK(m > 0 && logits.rows <= m && logits.columns == config_.vocabulary_size);
    Workspace& workspace = context.workspace;
    const Workspace::Mark mark(workspace);
    const auto x = workspace.take_rows<float>(m, d), normed = workspace.take_rows<float>(m, d);
    const auto q = workspace.take_rows<float>(m, q_size), attended = workspace.take_rows<float>(m, q_size);
    const auto k = workspace.take_rows<float>(m, kv_size), v = workspace.take_rows<float>(m, kv_size);
    const auto gate = workspace.take_rows<float>(m, config_.intermediate_size);
    const auto up = workspace.take_rows<float>(m, config_.intermediate_size);

    ops::embedding_forward(context, embedding_, tokens, x);
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      const Block& b = blocks_[static_cast<size_t>(layer)];
      ops::rms_norm_forward(context, x, b.attention_norm, config_.norm_epsilon, normed);
      const ops::LinearOutput qkv[] = {{&b.q, q}, {&b.k, k}, {&b.v, v}};
      ops::linear_forward(context, normed, qkv);
      ops::rope_forward(context, rope_, sequence.length, config_.head_dim, q);
      ops::rope_forward(context, rope_, sequence.length, config_.head_dim, k);
      sequence.cache.append(context, layer, sequence.length, k, v);
      ops::attention_forward(context, q, sequence.cache, layer, sequence.length, attended);
      ops::linear_forward(context, attended, b.o, normed);
      ops::add_forward(context, x, normed);
      ops::rms_norm_forward(context, x, b.mlp_norm, config_.norm_epsilon, normed);
      const ops::LinearOutput gate_up[] = {{&b.gate, gate}, {&b.up, up}};
      ops::linear_forward(context, normed, gate_up);
      ops::swiglu_forward(context, gate, up, gate);
      ops::linear_forward(context, gate, b.down, normed);
      ops::add_forward(context, x, normed);
    }
    sequence.length += m;
    if (logits.rows == 0) return;
    const auto last = x.rows_from(m - logits.rows, m), last_normed = normed.rows_from(0, logits.rows);
    ops::rms_norm_forward(context, last, norm_, config_.norm_epsilon, last_normed);
    ops::linear_forward(context, last_normed, head_, logits);
  }

 private:
  mutable RopeTable rope_;
  QuantizedTensor embedding_;
  std::vector<Block> blocks_;
  Tensor norm_;
  PackedWeight head_;
  std::vector<std::string> names_;  // of the linears in order, the head last
  double loaded_ = 0;
};

}  // namespace

Architecture llama_architecture() {
  return {.name = "llama",
          .hugging_face = "LlamaForCausalLM",
          .linears =
              [](const ModelConfig& config) {
                std::vector<LinearSpec> out;
                for (int64_t layer = 0; layer < config.layers; ++layer)
                  for (LinearSpec& spec : linears_of_block(config, layer)) out.push_back(std::move(spec));
                return out;
              },
          .build = [](Context& context, ModelConfig config, WeightSource& source,
                      Progress& progress) -> Result<std::unique_ptr<Model>> {
            auto model = std::make_unique<Llama>(std::move(config));
            TRY(model->load(context, source, progress));
            return model;
          }};
}

}  // namespace farthing
