// Scorer: tokens in, logits out. What evaluation needs of a model, whoever runs it.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "model/model.h"
#include "tensor/context.h"
#include "tensor/tensor.h"

namespace farthing {

class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual int64_t vocabulary_size() const = 0;
  // The logits behind every token of a window that starts with an empty context, [tokens,
  // vocabulary].
  virtual Result<> score(std::span<const int32_t> window, View<float, 2> logits) = 0;
};

// A model of our own.
class ModelScorer : public Scorer {
 public:
  // `kv_cache`: absent: as the model says.
  ModelScorer(Context& context, const Model& model, std::optional<KvCodec> kv_cache = std::nullopt)
      : context_(context), model_(model), kv_cache_(kv_cache) {}
  int64_t vocabulary_size() const override { return model_.config().vocabulary_size; }
  Result<> score(std::span<const int32_t> window, View<float, 2> logits) override;

 private:
  Context& context_;
  const Model& model_;
  std::optional<KvCodec> kv_cache_;
};

}  // namespace farthing
