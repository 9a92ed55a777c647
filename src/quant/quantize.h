// Quantizing a model: on the way into memory (QuantizingSource) or into a directory
// (quantize_checkpoint).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/calibration.h"
#include "model/checkpoint.h"
#include "quant/algorithm.h"

namespace farthing {

struct QuantizeOptions {
  Scheme scheme;  // of the linears of the blocks
  const AlgorithmInfo* method = nullptr;
  std::optional<ScaleRule> scale_rule;  // the format's default where it is absent
  std::optional<Scheme> tables;  // of embedding and head; they stay as they are where it is absent
  bool strict = false;  // a linear that the format cannot hold is an error instead of a fallback
  // What the parameters of static activations come from; calibrate_for provides it.
  std::shared_ptr<const Calibration> calibration = {};
};

// Whether the options hold a scheme with static activations.
bool needs_calibration(const QuantizeOptions& options);
// Runs a calibration of the model, where the options need one and have none.
Result<> calibrate_for(Context& context, Checkpoint& from, const CalibrationOptions& calibration,
                       QuantizeOptions& options, Progress& progress);

// Fails where scale rule and format do not go together.
Result<> check_options(const QuantizeOptions& options);

// Quantizes what it hands out of `base`.
class QuantizingSource : public WeightSource {
 public:
  QuantizingSource(Context& context, WeightSource& base, QuantizeOptions options)
      : context_(context), base_(base), options_(std::move(options)) {}

  Result<StoredLinear> linear(const LinearSpec& spec) override;
  Result<StoredLinear> table(const LinearSpec& spec) override;
  Result<Tensor> vector(const VectorSpec& spec) override;
  void use_pool(ThreadPool* pool) override { base_.use_pool(pool); }

  // Of what was handed out so far, in that order (tables only where they were quantized).
  const std::vector<LayerReport>& reports() const { return reports_; }
  double seconds() const { return seconds_; }  // spent in the algorithm
  int64_t bytes() const { return bytes_; }     // of everything handed out, as stored
  // Bits a weight of the quantized linears, everything stored counted.
  double bits_per_weight() const;

 private:
  Result<StoredLinear> quantize(const LinearSpec& spec, StoredLinear from, const Scheme& scheme);
  Context& context_;
  WeightSource& base_;
  QuantizeOptions options_;
  std::vector<LayerReport> reports_;
  double seconds_ = 0;
  int64_t bytes_ = 0;
};

// Writes a Hugging Face directory whose config.json has a section for the scheme
// (docs/checkpoint.md). One linear is in memory at a time, but the whole model where it must be
// calibrated first (with the built-in text, unless the options bring a calibration). The directory
// is complete or absent.
Result<std::vector<LayerReport>> quantize_checkpoint(Context& context, Checkpoint& from,
                                                     const QuantizeOptions& options,
                                                     const std::filesystem::path& to,
                                                     Progress& progress);

}  // namespace farthing
