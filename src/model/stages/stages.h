// A model's stages one at a time, for what need not hold it whole: the embedding, each block's
// attention and mlp, the head.
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

// Stage 0 is the embedding, the last one the head; between them each block has one for its
// attention and one for its mlp, or a single one where both read the same stream.
int64_t stage_count(const ModelConfig& config);
bool is_head(const ModelConfig& config, int64_t stage);
struct StagePlace {
  const BlockPlan* block = nullptr;  // null: of the embedding or the head
  int64_t index = 0;
  bool attention = false, mlp = false;  // whether the stage runs it
};
StagePlace place_of_stage(const ModelConfig& config, int64_t stage);
// "embedding", "block 3, attention", "block 3, mlp", "head"
std::string stage_name(const ModelConfig& config, int64_t stage);
Result<std::unique_ptr<ModelStage>> build_stage(Context& context, const ModelConfig& config,
                                                int64_t stage, WeightSource& source,
                                                PackTime time = PackTime::loading);

}  // namespace farthing
