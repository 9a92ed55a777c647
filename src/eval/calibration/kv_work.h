// KvWork: what a calibration of a KV cache has done so far, so that a killed one goes on where it
// was.
//
//   kv-hidden-N.f32         what stage N gives for the calibration's tokens, f32 [tokens, hidden]
//   kv-scales.safetensors   the scales of the blocks up to stage N, which is done
//
// Every file is complete or absent. kv-hidden-N is there before kv-scales names stage N;
// kv-hidden-(N-1) goes after it.
#pragma once

#include <filesystem>

#include "model/model.h"

namespace farthing {

class KvWork {
 public:
  // Goes on with what is in the folder. Fails where that was not written for such a model.
  static Result<KvWork> open(const std::filesystem::path& folder, const ModelConfig& config);

  // The last stage that is done; -1: none is.
  int64_t done() const { return done_; }
  // [blocks so far][kv_heads]
  const KvScales& scales() const { return scales_; }
  std::filesystem::path hidden(int64_t stage) const;
  // The stage's hidden states must be there, if any stage reads them. `more`: of its block, where
  // it runs an attention.
  Result<> finish_stage(int64_t stage, const KvScales& more);

 private:
  explicit KvWork(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
  int64_t done_ = -1;
  KvScales scales_;
};

}  // namespace farthing
