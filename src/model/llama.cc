// The Llama architecture (Llama, SmolLM2 and all that share its tensors): pre-norm blocks of
// grouped-query attention with rotary positions, and a SwiGLU MLP. Tensor names are Hugging Face's.
#include <fmt/format.h>

#include <numeric>

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

std::string block_prefix(int64_t layer) { return fmt::format("model.layers.{}.", layer); }

std::vector<LinearSpec> linears_of_block(const ModelConfig& c, int64_t layer) {
  const std::string prefix = block_prefix(layer);
  const int64_t d = c.hidden_size, q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim,
                i = c.intermediate_size;
  return {{prefix + "self_attn.q_proj.weight", q, d},  {prefix + "self_attn.k_proj.weight", kv, d},
          {prefix + "self_attn.v_proj.weight", kv, d}, {prefix + "self_attn.o_proj.weight", d, q},
          {prefix + "mlp.gate_proj.weight", i, d},     {prefix + "mlp.up_proj.weight", i, d},
          {prefix + "mlp.down_proj.weight", d, i}};
}

VectorSpec attention_norm(const ModelConfig& c, int64_t layer) {
  return {block_prefix(layer) + "input_layernorm.weight", c.hidden_size};
}
VectorSpec mlp_norm(const ModelConfig& c, int64_t layer) {
  return {block_prefix(layer) + "post_attention_layernorm.weight", c.hidden_size};
}
VectorSpec final_norm(const ModelConfig& c) { return {"model.norm.weight", c.hidden_size}; }
LinearSpec embedding(const ModelConfig& c) {
  return {"model.embed_tokens.weight", c.vocabulary_size, c.hidden_size};
}
LinearSpec head(const ModelConfig& c) {
  return {"lm_head.weight", c.vocabulary_size, c.hidden_size};
}

TensorSpecs llama_tensors(const ModelConfig& c) {
  TensorSpecs out;
  out.tables.push_back(embedding(c));
  if (!c.tied_embeddings) out.tables.push_back(head(c));
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    for (LinearSpec& spec : linears_of_block(c, layer)) out.linears.push_back(std::move(spec));
    out.vectors.push_back(attention_norm(c, layer));
    out.vectors.push_back(mlp_norm(c, layer));
  }
  out.vectors.push_back(final_norm(c));
  return out;
}

class Llama : public Model {
 public:
  explicit Llama(ModelConfig config)
      : Model(std::move(config)), rope_(config_.rope, config_.head_dim) {}

  Result<> load(Context& context, WeightSource& source, Progress& progress) {
    const auto pack = [&](const std::string& name, StoredLinear linear) {
      names_.push_back(name);
      return ops::pack_weight(context, std::move(linear.weight), linear.activations);
    };
    StoredLinear table = TRY(source.table(embedding(config_)));
    embedding_ = table.weight;
    blocks_.resize(static_cast<size_t>(config_.layers));
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      Block& b = blocks_[static_cast<size_t>(layer)];
      b.attention_norm = TRY(source.vector(attention_norm(config_, layer)));
      b.mlp_norm = TRY(source.vector(mlp_norm(config_, layer)));
      PackedWeight* const slots[] = {&b.q, &b.k, &b.v, &b.o, &b.gate, &b.up, &b.down};
      const auto specs = linears_of_block(config_, layer);
      for (size_t i = 0; i < specs.size(); ++i) {
        progress.update(static_cast<double>(names_.size()),
                        7.0 * static_cast<double>(config_.layers) + 1, specs[i].name);
        *slots[i] = pack(specs[i].name, TRY(source.linear(specs[i])));
      }
    }
    norm_ = TRY(source.vector(final_norm(config_)));
    if (!config_.tied_embeddings) table = TRY(source.table(head(config_)));
    head_ = pack(config_.tied_embeddings ? embedding(config_).name : head(config_).name,
                 std::move(table));
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
    const int64_t q_size = config_.heads * config_.head_dim,
                  kv_size = config_.kv_heads * config_.head_dim;
    CHECK(m > 0 && logits.rows <= m && logits.columns == config_.vocabulary_size);
    Workspace& workspace = context.workspace;
    const Workspace::Mark mark(workspace);
    const auto x = workspace.take_rows<float>(m, d), normed = workspace.take_rows<float>(m, d);
    const auto q = workspace.take_rows<float>(m, q_size),
               attended = workspace.take_rows<float>(m, q_size);
    const auto k = workspace.take_rows<float>(m, kv_size),
               v = workspace.take_rows<float>(m, kv_size);
    const auto gate = workspace.take_rows<float>(m, config_.intermediate_size);
    const auto up = workspace.take_rows<float>(m, config_.intermediate_size);
    const std::span<int32_t> positions(workspace.take<int32_t>(m), tokens.size());
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(sequence.length));

    ops::embedding_forward(context, embedding_, tokens, x);
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      const Block& b = blocks_[static_cast<size_t>(layer)];
      ops::rms_norm_forward(context, x, b.attention_norm, config_.norm_epsilon, normed);
      const ops::LinearOutput qkv[] = {{&b.q, q}, {&b.k, k}, {&b.v, v}};
      ops::linear_forward(context, normed, qkv);
      ops::rope_forward(context, rope_, positions, config_.head_dim, q);
      ops::rope_forward(context, rope_, positions, config_.head_dim, k);
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
    const auto last = x.rows_from(m - logits.rows, m),
               last_normed = normed.rows_from(0, logits.rows);
    ops::rms_norm_forward(context, last, norm_, config_.norm_epsilon, last_normed);
    ops::linear_forward(context, last_normed, head_, logits);
  }

  void reserve_positions(int64_t positions) const override { rope_.reserve(positions); }

 private:
  mutable RopeTable rope_;  // grows with the longest sequence
  QuantizedTensor embedding_;
  std::vector<Block> blocks_;
  Tensor norm_;
  PackedWeight head_;
  std::vector<std::string> names_;  // of the linears in order, the head last
};

}  // namespace

Architecture llama_architecture() {
  return {.name = "llama",
          .hugging_face = "LlamaForCausalLM",
          .tensors = llama_tensors,
          .build = [](Context& context, ModelConfig config, WeightSource& source,
                      Progress& progress) -> Result<std::unique_ptr<Model>> {
            auto model = std::make_unique<Llama>(std::move(config));
            TRY(model->load(context, source, progress));
            return model;
          }};
}

}  // namespace farthing
