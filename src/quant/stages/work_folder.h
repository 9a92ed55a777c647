// WorkFolder: what a quantization by stages has done so far, so that a killed one goes on where it
// was.
//
//   work.json              what is being done: another model or other options refuse to go on
//   hidden-N.f32           what stage N gives for the calibration's tokens, f32 [tokens, hidden]
//   stage-N.safetensors    the linears of stage N, quantized, and factors of channels; its presence
//   says that N is done
//   kv-*                   what a calibration of the KV cache has done (eval/calibration/kv_work.h)
//
// Every file is complete or absent. hidden-N is there before stage-N; hidden-(N-1) goes after it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/model.h"
#include "quant/quantize_linear.h"
#include "quant/rescaling/rescaled_source.h"

namespace farthing {

struct StageResult {
  std::vector<QuantizedLinear> linears;  // in the order of the model
  ChannelFactors factors;                // of all its tensors
};

class WorkFolder {
 public:
  // Makes the folder, or goes on with it. Fails where it holds another run's work, or where it
  // holds this run's and `resume` is false.
  static Result<WorkFolder> open(const std::filesystem::path& path, const std::string& identity,
                                 bool resume);

  // The last stage that is done; -1: none is.
  int64_t done() const { return done_; }
  std::filesystem::path hidden(int64_t stage) const;
  std::filesystem::path stage(int64_t stage) const;
  // The stage's hidden states must be there.
  Result<> finish_stage(int64_t stage, const StageResult& result);
  // What finish_stage stored.
  Result<StageResult> read_stage(int64_t stage) const;

 private:
  explicit WorkFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
  int64_t done_ = -1;
};

}  // namespace farthing
