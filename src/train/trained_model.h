// TrainedModel: a model whose weights are f32 masters, and that always runs what they encode to.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "eval/calibration/calibration.h"
#include "model/checkpoint.h"
#include "train/weight_rounding.h"

namespace farthing {

// In which formats a model is trained, and with that served.
struct TrainedPrecision {
  Scheme linears;                            // of the blocks
  std::optional<ScaleRule> scale_rule = {};  // the format's default where it is absent
  RoundingOptions rounding = {};             // of what it applies to (can_round)
  std::optional<Scheme> tables = {};     // embedding and head; absent: the checkpoint's own types
  std::optional<KvCodec> kv_cache = {};  // absent: as the checkpoint says
  // Of activations with outlier columns, in the calibration.
  float outlier_threshold = RangeOptions().outlier_threshold;
};

// One sequence of a batch: what it holds, and what follows each token; -1: no loss there.
struct TrainingSequence {
  std::span<const int32_t> tokens, targets;
};

class TrainedModel {
 public:
  // Masters from the checkpoint's weights, decoded. The parameters of static activations come from
  // a calibration of the checkpoint with the built-in text, and stay. Fails on a scheme whose
  // results depend on the batch: what serves would compute something else.
  static Result<std::unique_ptr<TrainedModel>> create(Context& context, Checkpoint& from,
                                                      const TrainedPrecision& precision,
                                                      Progress& progress);

  const Model& model() const { return *model_; }
  Model& model() { return *model_; }
  // Null where no activations are static.
  const Calibration* calibration() const { return calibration_.get(); }
  const TrainedPrecision& precision() const { return precision_; }
  KvCodec kv_codec() const { return model_->kv_codec(precision_.kv_cache); }
  // Tables, linears, vectors, each once (a tied head is the embedding), then learned scales.
  std::span<const std::shared_ptr<Parameter>> parameters() const { return parameters_; }

  // Encodes every master and packs it for its kernel: what forward passes run from now on. Fails on
  // weights that are not finite or too large for the format.
  Result<> encode(Context& context);

  // Adds to the parameters' gradients those of scale * (the sum of the sequences' token losses);
  // returns that sum without the scale. The forward pass is the engine's. Runs the operators that
  // serve: no other path exists.
  double accumulate_gradients(Context& context, std::span<const TrainingSequence> batch,
                              float scale, bool checkpointing);
  // Turns the gradients of all batches, which are those of the decoded weights, into those of the
  // masters and of learned scales. Once, before the optimizer's step.
  void pass_gradients(Context& context);
  // The sum of the losses alone.
  double loss(Context& context, std::span<const TrainingSequence> batch);
  void clear_gradients(Context& context);

  // Writes the codes that the model runs.
  Result<> write(Checkpoint& from, std::string method, std::string manifest,
                 const std::filesystem::path& to, Progress& progress) const;

 private:
  class Source;
  TrainedModel(std::unique_ptr<Model> model, TrainedPrecision precision)
      : model_(std::move(model)), precision_(std::move(precision)) {}
  Result<> attach(Context& context, Checkpoint& from);
  std::shared_ptr<Parameter> find(const std::string& name) const;
  std::vector<Sequence> new_sequences(std::span<const TrainingSequence> batch);
  double run(Context& context, std::span<const TrainingSequence> batch, float scale, bool train,
             bool checkpointing);

  std::unique_ptr<Model> model_;
  TrainedPrecision precision_;
  std::vector<std::shared_ptr<Parameter>> parameters_;
  // Of each parameter that is a matrix; they come first.
  std::vector<QuantizedTensor> encoded_;
  std::vector<StaticInput> inputs_;  // likewise; of static activations
  std::shared_ptr<const Calibration> calibration_;
  std::vector<WeightRounding> roundings_;
  std::shared_ptr<KvPool> pool_;
};

}  // namespace farthing
