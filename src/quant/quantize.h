// Quantizing a model: on the way into memory (QuantizingSource) or into a directory
// (quantize_checkpoint).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/calibration/calibration.h"
#include "model/checkpoint.h"
#include "quant/quantize_linear.h"
#include "quant/rescaling/rescaled_source.h"

namespace farthing {

// Runs a calibration of the model, where static activations need one and there is none: one stage
// in memory at a time.
Result<> calibrate_for(Context& context, Checkpoint& from, const CalibrationOptions& calibration,
                       QuantizeOptions& options, Progress& progress);

// What was quantized block by block before (stages/quantize_stages.h).
struct StagesRun {
  std::map<std::string, QuantizedLinear> linears = {};  // mapped from the folder of the work
  ChannelFactors factors = {};                          // of what a rescaling changed besides
  std::string text = {}, text_digest = {};              // of the calibration
  int64_t tokens = 0;
  double seconds = 0;
};

// Quantizes what it hands out of `base`, or hands out what was quantized before.
class QuantizingSource : public WeightSource {
 public:
  QuantizingSource(Context& context, WeightSource& base, QuantizeOptions options,
                   StagesRun stages = {})
      : context_(context),
        options_(std::move(options)),
        stages_(std::move(stages)),
        base_(base, stages_.factors),
        seconds_(stages_.seconds) {}

  Result<StoredLinear> linear(const LinearSpec& spec) override { return handed_out(spec, false); }
  Result<StoredLinear> table(const LinearSpec& spec) override { return handed_out(spec, true); }
  Result<Tensor> vector(const VectorSpec& spec) override;
  Result<KvCacheFormat> kv_cache() override;
  void use_pool(ThreadPool* pool) override { base_.use_pool(pool); }

  // Of what was handed out so far, in that order (tables only where they were quantized).
  const std::vector<LayerReport>& reports() const { return reports_; }
  double seconds() const { return seconds_; }  // spent in the method, calibration included
  int64_t bytes() const { return bytes_; }     // of everything handed out, as stored
  // Bits a weight of the quantized linears, everything stored counted.
  double bits_per_weight() const;
  // What a table that is to get `scheme` is stored in: one that only hands out rows has no input to
  // round.
  Scheme scheme_for_table(const LinearSpec& spec, const Scheme& scheme) const;

 private:
  Result<StoredLinear> handed_out(const LinearSpec& spec, bool is_table);
  Result<StoredLinear> quantize(const LinearSpec& spec, StoredLinear from,
                                const LinearChoice& choice);
  Context& context_;
  QuantizeOptions options_;
  StagesRun stages_;
  RescaledSource base_;
  std::vector<LayerReport> reports_;
  double seconds_;
  int64_t bytes_ = 0;
};

// How a method that sees inputs gets them, and whether it goes on with what an earlier call left.
struct StagesOptions {
  CalibrationOptions calibration = {.samples = 128};
  bool resume = false;
  // Patterns: only these linears are quantized, anew, and take their places among those that `to`
  // holds already. Empty: the whole model.
  std::vector<std::string> redo = {};
};

// Writes a Hugging Face directory whose config.json has a section for the scheme
// (docs/checkpoint.md). One linear is in memory at a time, or one stage where the method sees
// inputs and where static activations or scales of a KV cache are calibrated. The directory is
// complete or absent; beside it TO.work holds what stages have done so far, and goes when the
// directory is there.
Result<std::vector<LayerReport>> quantize_checkpoint(Context& context, Checkpoint& from,
                                                     const QuantizeOptions& options,
                                                     const std::filesystem::path& to,
                                                     Progress& progress,
                                                     const StagesOptions& stages = {});

}  // namespace farthing
