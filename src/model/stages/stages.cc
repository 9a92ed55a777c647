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

// A sequence of its own for one pass over a block's attention.
struct OneSequence {
  Sequence sequence;
  std::vector<int32_t> tokens;  // their number counts
  SequenceTokens one;
  Batch batch;

  OneSequence(Context& context, const ModelConfig& config, int64_t count)
      : sequence{KvCache(std::make_shared<KvPool>(
                     KvLayout{1, config.kv_heads, config.head_dim, KvCodec::f32})),
                 0},
        tokens(static_cast<size_t>(count)),
        one{&sequence, tokens, 0},
        batch(context, {reserved(), 1}) {}

 private:
  const SequenceTokens* reserved() {
    sequence.cache.reserve(static_cast<int64_t>(tokens.size()));
    return &one;
  }
};

std::vector<RopeTable> ropes_of(const ModelConfig& config) {
  std::vector<RopeTable> out;
  for (const RopePlan& rope : config.plan.ropes) out.emplace_back(rope.parameters, rope.rotary_dim);
  return out;
}

// A whole block, or its attention.
template <class Part>
class AttendingStage : public StageOf<Part> {
 public:
  AttendingStage(const ModelConfig& config, const BlockPlan& plan)
      : StageOf<Part>(config, Part(plan)), ropes_(ropes_of(config)) {}
  void run(Context& context, const StageRows& rows) override {
    const Workspace::Mark mark(context.workspace);
    for (RopeTable& rope : ropes_) rope.reserve(rows.hidden.rows);
    const OneSequence own(context, this->config_, rows.hidden.rows);
    const autograd::Value x{rows.hidden};
    const autograd::Value y = this->part_.run(context, x, own.batch, ropes_, 0);
    if (pass_ended(context)) return;
    if constexpr (std::is_same_v<Part, AttentionPart>) autograd::add(context, x, y);
  }

 private:
  std::vector<RopeTable> ropes_;
};

class MlpStage : public StageOf<MlpPart> {
 public:
  MlpStage(const ModelConfig& config, const BlockPlan& plan) : StageOf(config, MlpPart(plan)) {}
  void run(Context& context, const StageRows& rows) override {
    const Workspace::Mark mark(context.workspace);
    const autograd::Value x{rows.hidden};
    const autograd::Value y = part_.run(context, x);
    if (!pass_ended(context)) autograd::add(context, x, y);
  }
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

StagePlace place_of_stage(const ModelConfig& config, int64_t stage) {
  int64_t at = 1;
  for (const BlockPlan& block : config.plan.blocks) {
    const int64_t parts = block.parallel ? 1 : 2, part = stage - at;
    const int64_t index = &block - config.plan.blocks.data();
    if (part == 0) return {&block, index, true, block.parallel};
    if (part == 1 && parts == 2) return {&block, index, false, true};
    at += parts;
  }
  return {};
}

int64_t stage_count(const ModelConfig& config) {
  int64_t count = 2;
  for (const BlockPlan& block : config.plan.blocks) count += block.parallel ? 1 : 2;
  return count;
}

bool is_head(const ModelConfig& config, int64_t stage) { return stage + 1 == stage_count(config); }

std::string stage_name(const ModelConfig& config, int64_t stage) {
  if (stage == 0) return "embedding";
  const StagePlace place = place_of_stage(config, stage);
  if (place.block == nullptr) return "head";
  const std::string name = fmt::format("block {}", place.index);
  return place.attention && place.mlp ? name : name + (place.attention ? ", attention" : ", mlp");
}

Result<std::unique_ptr<ModelStage>> build_stage(Context& context, const ModelConfig& config,
                                                int64_t stage, WeightSource& source,
                                                PackTime time) {
  NoProgress quiet;
  Loader loader(context, source, quiet, time, 1);
  const auto load = [&](auto built) -> Result<std::unique_ptr<ModelStage>> {
    TRY(built->visit(loader));
    return std::unique_ptr<ModelStage>(std::move(built));
  };
  if (const StagePlace place = place_of_stage(config, stage); place.block != nullptr) {
    if (!place.attention) return load(std::make_unique<MlpStage>(config, *place.block));
    if (place.mlp) return load(std::make_unique<AttendingStage<Block>>(config, *place.block));
    return load(std::make_unique<AttendingStage<AttentionPart>>(config, *place.block));
  }
  if (stage == 0) return load(std::make_unique<EmbeddingStage>(config));
  if (config.tied_embeddings()) TRY(loader.tied_head(spec_of(config.plan.embedding)));
  return load(std::make_unique<HeadStage>(config));
}

}  // namespace farthing
