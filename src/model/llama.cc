// The Llama architecture (Llama, SmolLM2 and all that share its tensors): pre-norm blocks of
// grouped-query attention with rotary positions, and a SwiGLU MLP. Tensor names are Hugging Face's.
#include <fmt/format.h>

#include <optional>

#include "model/batch.h"
#include "model/model.h"

namespace farthing {
namespace {

struct Block {
  VectorWeight attention_norm, mlp_norm;
  LinearWeight q, k, v, o, gate, up, down;

  std::array<LinearWeight*, 7> linears() { return {&q, &k, &v, &o, &gate, &up, &down}; }
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
    const auto pack = [&](StoredLinear linear) {
      const InputRounding input = linear.rounding();
      return ops::pack_weight(context, std::move(linear.weight), input);
    };
    StoredLinear table = TRY(source.table(embedding(config_)));
    embedding_.stored = table.weight;
    blocks_.resize(static_cast<size_t>(config_.layers));
    double done = 0;
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      Block& b = blocks_[static_cast<size_t>(layer)];
      b.attention_norm.value = TRY(source.vector(attention_norm(config_, layer)));
      b.mlp_norm.value = TRY(source.vector(mlp_norm(config_, layer)));
      const auto specs = linears_of_block(config_, layer);
      for (size_t i = 0; i < specs.size(); ++i) {
        progress.update(done++, 7.0 * static_cast<double>(config_.layers) + 1, specs[i].name);
        b.linears()[i]->packed = pack(TRY(source.linear(specs[i])));
      }
    }
    norm_.value = TRY(source.vector(final_norm(config_)));
    if (!config_.tied_embeddings) table = TRY(source.table(head(config_)));
    head_.packed = pack(std::move(table));
    return {};
  }

  WeightSlots weights() override {
    WeightSlots out;
    out.tables.emplace_back(embedding(config_).name, &embedding_);
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      Block& b = blocks_[static_cast<size_t>(layer)];
      const auto specs = linears_of_block(config_, layer);
      for (size_t i = 0; i < specs.size(); ++i)
        out.linears.emplace_back(specs[i].name, b.linears()[i]);
      out.vectors.emplace_back(attention_norm(config_, layer).name, &b.attention_norm);
      out.vectors.emplace_back(mlp_norm(config_, layer).name, &b.mlp_norm);
    }
    out.linears.emplace_back(config_.tied_embeddings ? embedding(config_).name : head(config_).name,
                             &head_);
    out.vectors.emplace_back(final_norm(config_).name, &norm_);
    return out;
  }

  void run(Context& context, std::span<const SequenceTokens> sequences,
           const autograd::Value& logits) const override {
    namespace ag = autograd;
    std::optional<Workspace::Mark> mark;  // with a tape the memory is the caller's to give back
    if (context.tape == nullptr) mark.emplace(context.workspace);
    const Batch batch(context, sequences);
    CHECK(logits.data.rows == static_cast<int64_t>(batch.logits_rows.size()) &&
          logits.data.columns == config_.vocabulary_size);
    ag::Value x = ag::embedding(context, embedding_, batch.tokens);
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      const Block* b = &blocks_[static_cast<size_t>(layer)];
      x = ag::block(context, x, [this, layer, b, batch](Context& c, ag::Value h) {
        const auto normed = ag::rms_norm(c, h, b->attention_norm, config_.norm_epsilon);
        const auto [q, k, v] = ag::linear(c, normed, b->q, b->k, b->v);
        ag::rope(c, rope_, batch.positions, config_.head_dim, q);
        ag::rope(c, rope_, batch.positions, config_.head_dim, k);
        const auto attended = ag::attention(c, q, k, v, batch.sequences, layer);
        h = ag::add(c, h, ag::linear(c, attended, b->o)[0]);
        const auto normed_again = ag::rms_norm(c, h, b->mlp_norm, config_.norm_epsilon);
        const auto [gate, up] = ag::linear(c, normed_again, b->gate, b->up);
        return ag::add(c, h, ag::linear(c, ag::swiglu(c, gate, up), b->down)[0]);
      });
    }
    for (const SequenceTokens& s : sequences)
      s.sequence->length += static_cast<int64_t>(s.tokens.size());
    if (logits.data.rows == 0) return;
    const auto last = ag::select_rows(context, x, batch.logits_rows);
    const auto normed = ag::rms_norm(context, last, norm_, config_.norm_epsilon);
    const LinearWeight* const weight = &head_;
    ag::linear_into(context, normed, {&weight, 1}, {&logits, 1});
  }

  void reserve_positions(int64_t positions) const override { rope_.reserve(positions); }

 private:
  mutable RopeTable rope_;  // grows with the longest sequence
  TableWeight embedding_;
  std::vector<Block> blocks_;
  VectorWeight norm_;
  LinearWeight head_;
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
