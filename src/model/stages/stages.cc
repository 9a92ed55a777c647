// Stages out of a decoder's parts.
#include "model/stages/stages.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/batch.h"
#include "model/decoder/block.h"
#include "model/decoder/ends.h"
#include "model/decoder/loader.h"
#include "model/decoder/slots.h"

namespace farthing {
namespace {

// Of a part with visit().
template <class Part>
class StageOf : public ModelStage {
 public:
  WeightSlots weights() override {
    SlotsVisitor slots;
    (void)part_.visit(slots);
    return std::move(slots.out);
  }
  Result<> visit(WeightVisitor& visitor) { return part_.visit(visitor); }

 protected:
  explicit StageOf(const ModelConfig& config, Part part)
      : config_(config), part_(std::move(part)) {}
  const ModelConfig& config_;
  Part part_;
};

class EmbeddingStage : public StageOf<Embedding> {
 public:
  explicit EmbeddingStage(const ModelConfig& config) : StageOf(config, Embedding(config.plan)) {}
  void run(Context& context, const StageRows& rows) override {
    const Workspace::Mark mark(context.workspace);
    const auto count = static_cast<int64_t>(rows.tokens.size());
    int32_t* positions = context.workspace.take<int32_t>(count);
    for (int64_t i = 0; i < count; ++i) positions[i] = static_cast<int32_t>(i);
    const autograd::Value x =
        part_.run(context, rows.tokens, {positions, static_cast<size_t>(count)});
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(x.data.row(i), x.data.columns, rows.hidden.row(i));
  }
};

class BlockStage : public StageOf<Block> {
 public:
  BlockStage(const ModelConfig& config, const BlockPlan& plan) : StageOf(config, Block(plan)) {
    for (const RopePlan& rope : config.plan.ropes)
      ropes_.emplace_back(rope.parameters, rope.rotary_dim);
  }
  void run(Context& context, const StageRows& rows) override {
    const Workspace::Mark mark(context.workspace);
    const int64_t count = rows.hidden.rows;
    for (RopeTable& rope : ropes_) rope.reserve(count);
    const KvLayout layout{1, config_.kv_heads, config_.head_dim, KvCodec::f32};
    Sequence sequence{KvCache(std::make_shared<KvPool>(layout)), 0};
    sequence.cache.reserve(count);
    const std::vector<int32_t> tokens(static_cast<size_t>(count));  // their number counts
    const SequenceTokens one{&sequence, tokens, 0};
    const Batch batch(context, {&one, 1});
    const autograd::Value x = part_.run(context, {rows.hidden}, batch, ropes_, 0);
    CHECK(pass_ended(context) || x.data.data == rows.hidden.data);
  }

 private:
  std::vector<RopeTable> ropes_;
};

class HeadStage : public StageOf<Head> {
 public:
  explicit HeadStage(const ModelConfig& config) : StageOf(config, Head(config.plan)) {}
  void run(Context& context, const StageRows& rows) override {
    const Workspace::Mark mark(context.workspace);
    part_.run(context, {rows.hidden}, {rows.logits});
  }
};

}  // namespace

const BlockPlan* block_of_stage(const ModelConfig& config, int64_t stage) {
  const auto& blocks = config.plan.blocks;
  if (stage == 0 || stage == static_cast<int64_t>(blocks.size()) + 1) return nullptr;
  return &blocks[static_cast<size_t>(stage - 1)];
}

int64_t stage_count(const ModelConfig& config) {
  return static_cast<int64_t>(config.plan.blocks.size()) + 2;
}

std::string stage_name(const ModelConfig& config, int64_t stage) {
  if (stage == 0) return "embedding";
  if (stage == stage_count(config) - 1) return "head";
  return fmt::format("block {}", stage - 1);
}

Result<std::unique_ptr<ModelStage>> build_stage(Context& context, const ModelConfig& config,
                                                int64_t stage, WeightSource& source) {
  NoProgress quiet;
  Loader loader(context, source, quiet, PackTime::loading, 1);
  const auto load = [&](auto built) -> Result<std::unique_ptr<ModelStage>> {
    TRY(built->visit(loader));
    return std::unique_ptr<ModelStage>(std::move(built));
  };
  if (const BlockPlan* plan = block_of_stage(config, stage))
    return load(std::make_unique<BlockStage>(config, *plan));
  if (stage == 0) return load(std::make_unique<EmbeddingStage>(config));
  if (config.tied_embeddings()) TRY(loader.tied_head(spec_of(config.plan.embedding)));
  return load(std::make_unique<HeadStage>(config));
}

}  // namespace farthing
