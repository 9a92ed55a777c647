// One forward pass for every architecture: embedding, blocks, norm, head.
#include "model/decoder/decoder.h"

#include <optional>

#include "model/batch.h"
#include "model/decoder/experts.h"
#include "model/decoder/latent_attention.h"
#include "model/decoder/parts.h"

namespace farthing {
namespace {

namespace ag = autograd;

struct Block {
  Norm attention_norm, after_attention, mlp_norm, after_mlp;
  std::optional<Attention> attention;
  std::optional<LatentAttention> latent;
  std::optional<Mlp> mlp;
  std::optional<Experts> experts;
  bool parallel;

  explicit Block(const BlockPlan& plan)
      : attention_norm(plan.attention_norm),
        after_attention(plan.after_attention),
        mlp_norm(plan.mlp_norm),
        after_mlp(plan.after_mlp),
        parallel(plan.parallel) {
    if (plan.latent.heads == 0) {
      attention.emplace(plan.attention);
    } else {
      latent.emplace(plan.latent);
    }
    if (plan.experts.experts.empty()) {
      mlp.emplace(plan.mlp);
    } else {
      experts.emplace(plan.experts);
    }
  }

  Result<> visit(WeightVisitor& visitor) {
    TRY(attention_norm.visit(visitor));
    TRY(attention ? attention->visit(visitor) : latent->visit(visitor));
    TRY(after_attention.visit(visitor));
    TRY(mlp_norm.visit(visitor));
    TRY(mlp ? mlp->visit(visitor) : experts->visit(visitor));
    return after_mlp.visit(visitor);
  }

  ag::Value run(Context& context, const ag::Value& x, const Batch& batch,
                std::span<RopeTable> ropes, int64_t layer) const {
    const ag::Value normed = attention_norm.run(context, x);
    const ag::Value attended = attention ? attention->run(context, normed, batch, ropes, layer)
                                         : latent->run(context, normed, batch, ropes[0], layer);
    if (parallel) {
      const ag::Value inner = run_mlp(context, mlp_norm.run(context, x));
      return ag::add(context, ag::add(context, x, attended), inner);
    }
    const ag::Value h = ag::add(context, x, after_attention.run(context, attended));
    const ag::Value inner = run_mlp(context, mlp_norm.run(context, h));
    return ag::add(context, h, after_mlp.run(context, inner));
  }

  ag::Value run_mlp(Context& context, const ag::Value& x) const {
    return mlp ? mlp->run(context, x) : experts->run(context, x);
  }
};

class Decoder : public Model {
 public:
  explicit Decoder(ModelConfig config) : Model(std::move(config)), norm_(config_.plan.final_norm) {
    for (const RopePlan& plan : config_.plan.ropes)
      ropes_.emplace_back(plan.parameters, plan.rotary_dim);
    for (const BlockPlan& plan : config_.plan.blocks) blocks_.emplace_back(plan);
  }

  Result<> visit(WeightVisitor& visitor) {
    const DecoderPlan& plan = config_.plan;
    TRY(visitor.table(spec_of(plan.embedding), embedding_));
    if (!plan.positions.name.empty()) TRY(visitor.table(spec_of(plan.positions), positions_));
    for (Block& block : blocks_) TRY(block.visit(visitor));
    TRY(norm_.visit(visitor));
    const bool tied = config_.tied_embeddings();
    return visitor.head(spec_of(tied ? plan.embedding : plan.head), head_, tied);
  }

  WeightSlots weights() override {
    struct Slots : WeightVisitor {
      WeightSlots out;
      Result<> table(const LinearSpec& spec, TableWeight& weight) override {
        out.tables.emplace_back(spec.name, &weight);
        return {};
      }
      Result<> linear(const LinearSpec& spec, LinearWeight& weight) override {
        out.linears.emplace_back(spec.name, &weight);
        return {};
      }
      Result<> vector(const VectorSpec& spec, VectorWeight& weight) override {
        out.vectors.emplace_back(spec.name, &weight);
        return {};
      }
      Result<> head(const LinearSpec& spec, LinearWeight& weight, bool) override {
        return linear(spec, weight);
      }
    } slots;
    (void)visit(slots);
    return std::move(slots.out);
  }

  void run(Context& context, std::span<const SequenceTokens> sequences,
           const ag::Value& logits) const override {
    std::optional<Workspace::Mark> mark;  // with a tape the memory is the caller's to give back
    if (context.tape == nullptr) mark.emplace(context.workspace);
    const Batch batch(context, sequences);
    CHECK(logits.data.rows == static_cast<int64_t>(batch.logits_rows.size()) &&
          logits.data.columns == config_.vocabulary_size);
    ag::Value x = embed(context, batch);
    for (size_t layer = 0; layer < blocks_.size(); ++layer) {
      const Block* b = &blocks_[layer];
      x = ag::block(context, x, [this, layer, b, batch](Context& c, const ag::Value& h) {
        return b->run(c, h, batch, ropes_, static_cast<int64_t>(layer));
      });
    }
    for (const SequenceTokens& s : sequences)
      s.sequence->length += static_cast<int64_t>(s.tokens.size());
    if (logits.data.rows == 0) return;
    const auto normed = norm_.run(context, ag::select_rows(context, x, batch.logits_rows));
    const LinearWeight* const weight = &head_;
    const float cap = config_.plan.logit_softcap;
    const ag::Value raw = cap == 0 || context.tape == nullptr
                              ? logits
                              : ag::new_value(context, logits.data.rows, logits.data.columns);
    ag::linear_into(context, normed, {&weight, 1}, {&raw, 1});
    if (cap != 0) ag::softcap_into(context, cap, raw, logits);
  }

  void reserve_positions(int64_t positions) const override {
    for (RopeTable& rope : ropes_) rope.reserve(positions);
  }

 private:
  ag::Value embed(Context& context, const Batch& batch) const {
    const DecoderPlan& plan = config_.plan;
    const ag::Value x = ag::embedding(context, embedding_, batch.tokens);
    if (plan.embedding_scale != 1) ag::scale(context, plan.embedding_scale, x);
    if (plan.positions.name.empty()) return x;
    const auto count = batch.positions.size();
    int32_t* const rows = context.workspace.take<int32_t>(static_cast<int64_t>(count));
    for (size_t i = 0; i < count; ++i)
      rows[i] = batch.positions[i] + static_cast<int32_t>(plan.first_position);
    return ag::add(context, x, ag::embedding(context, positions_, {rows, count}));
  }

  mutable std::vector<RopeTable> ropes_;  // they grow with the longest sequence
  TableWeight embedding_, positions_;
  std::vector<Block> blocks_;
  Norm norm_;
  LinearWeight head_;
};

// Takes each weight from the source, and packs it for its kernel.
class Loader : public WeightVisitor {
 public:
  Loader(Context& context, WeightSource& source, Progress& progress, PackTime time, size_t linears)
      : context_(context),
        source_(source),
        progress_(progress),
        time_(time),
        total_(static_cast<double>(linears)) {
    source_.use_pool(&context.pool);
  }
  ~Loader() { source_.use_pool(nullptr); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  Result<> table(const LinearSpec& spec, TableWeight& weight) override {
    StoredLinear stored = TRY(source_.table(spec));
    weight.stored = stored.weight;
    if (table_.weight.format == nullptr) table_ = std::move(stored);
    return {};
  }
  Result<> linear(const LinearSpec& spec, LinearWeight& weight) override {
    progress_.update(done_++, total_, spec.name);
    weight.packed = pack(TRY(source_.linear(spec)));
    return {};
  }
  Result<> vector(const VectorSpec& spec, VectorWeight& weight) override {
    weight.value = TRY(source_.vector(spec));
    return {};
  }
  Result<> head(const LinearSpec& spec, LinearWeight& weight, bool tied) override {
    weight.packed = pack(tied ? std::move(table_) : TRY(source_.table(spec)));
    return {};
  }

 private:
  PackedWeight pack(StoredLinear linear) {
    const InputRounding input = linear.rounding();
    return time_ == PackTime::later
               ? ops::pack_weight_later(context_, std::move(linear.weight), input)
               : ops::pack_weight(context_, std::move(linear.weight), input);
  }

  Context& context_;
  WeightSource& source_;
  Progress& progress_;
  PackTime time_;
  StoredLinear table_;  // the embedding
  double done_ = 0, total_;
};

}  // namespace

TensorSpecs tensors_of_plan(const ModelConfig& config) {
  struct Specs : WeightVisitor {
    TensorSpecs out;
    Result<> table(const LinearSpec& spec, TableWeight&) override {
      out.tables.push_back(spec);
      return {};
    }
    Result<> linear(const LinearSpec& spec, LinearWeight&) override {
      out.linears.push_back(spec);
      return {};
    }
    Result<> vector(const VectorSpec& spec, VectorWeight&) override {
      out.vectors.push_back(spec);
      return {};
    }
    Result<> head(const LinearSpec& spec, LinearWeight&, bool tied) override {
      if (!tied) out.tables.push_back(spec);
      return {};
    }
  } specs;
  (void)Decoder(config).visit(specs);
  return std::move(specs.out);
}

Result<std::unique_ptr<Model>> build_decoder(Context& context, ModelConfig config,
                                             WeightSource& source, Progress& progress,
                                             PackTime time) {
  auto model = std::make_unique<Decoder>(std::move(config));
  Loader loader(context, source, progress, time, model->weights().linears.size());
  TRY(model->visit(loader));
  return model;
}

}  // namespace farthing
