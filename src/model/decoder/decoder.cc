// One forward pass for every architecture: embedding, blocks, norm, head.
#include "model/decoder/decoder.h"

#include <optional>

#include "model/batch.h"
#include "model/decoder/block.h"
#include "model/decoder/ends.h"
#include "model/decoder/loader.h"
#include "model/decoder/slots.h"

namespace farthing {
namespace {

namespace ag = autograd;

class Decoder : public Model {
 public:
  explicit Decoder(ModelConfig config, KvCacheFormat kv_cache = {})
      : Model(std::move(config), std::move(kv_cache)),
        embedding_(config_.plan),
        head_(config_.plan) {
    for (const RopePlan& plan : config_.plan.ropes)
      ropes_.emplace_back(plan.parameters, plan.rotary_dim);
    for (const BlockPlan& plan : config_.plan.blocks) blocks_.emplace_back(plan);
  }

  Result<> visit(WeightVisitor& visitor) {
    TRY(embedding_.visit(visitor));
    for (Block& block : blocks_) TRY(block.visit(visitor));
    return head_.visit(visitor);
  }

  WeightSlots weights() override {
    SlotsVisitor slots;
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
    ag::Value x = embedding_.run(context, batch.tokens, batch.positions);
    for (size_t layer = 0; layer < blocks_.size(); ++layer) {
      const Block* b = &blocks_[layer];
      x = ag::block(context, x, [this, layer, b, batch](Context& c, const ag::Value& h) {
        return b->run(c, h, batch, ropes_, static_cast<int64_t>(layer));
      });
    }
    for (const SequenceTokens& s : sequences)
      s.sequence->length += static_cast<int64_t>(s.tokens.size());
    if (logits.data.rows == 0) return;
    head_.run(context, ag::select_rows(context, x, batch.logits_rows), logits);
  }

  void reserve_positions(int64_t positions) const override {
    for (RopeTable& rope : ropes_) rope.reserve(positions);
  }

 private:
  mutable std::vector<RopeTable> ropes_;  // they grow with the longest sequence
  Embedding embedding_;
  std::vector<Block> blocks_;
  Head head_;
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
  auto model = std::make_unique<Decoder>(std::move(config), TRY(source.kv_cache()));
  Loader loader(context, source, progress, time, model->weights().linears.size());
  TRY(model->visit(loader));
  return model;
}

}  // namespace farthing
