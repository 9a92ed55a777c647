// A model's stages one at a time, for what need not hold it whole: the embedding, each block, the
// head.
#pragma once

#include <memory>

#include "model/model.h"

namespace farthing {

// What a stage reads and writes, for one sequence from its first token.
struct StageRows {
  std::span<const int32_t> tokens;  // read by the embedding alone
  View<float, 2> hidden;  // [tokens, hidden]: written by the embedding, updated by a block
  View<float, 2> logits = {nullptr, 0, 0, 0};  // written by the head
};

class ModelStage {
 public:
  virtual ~ModelStage() = default;
  virtual WeightSlots weights() = 0;
  // The same operators in the same order as Model::run. Not by two threads at a time.
  virtual void run(Context& context, const StageRows& rows) = 0;
};

// Stage 0 is the embedding, the last one the head, the others are blocks.
int64_t stage_count(const ModelConfig& config);
// Of the others null.
const BlockPlan* block_of_stage(const ModelConfig& config, int64_t stage);
// "embedding", "block 3", "head"
std::string stage_name(const ModelConfig& config, int64_t stage);
Result<std::unique_ptr<ModelStage>> build_stage(Context& context, const ModelConfig& config,
                                                int64_t stage, WeightSource& source);

}  // namespace farthing
