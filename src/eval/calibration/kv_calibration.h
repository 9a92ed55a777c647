// Calibration of a KV cache: what its heads get while a model reads a text, for codecs whose scales
// are fixed.
#pragma once

#include "eval/calibration/calibration.h"

namespace farthing {

struct KvCalibration {
  std::string text, text_digest;  // as in EvaluationText
  int64_t tokens = 0;             // that were read
  RangeOptions range = {};
  // [layers][kv_heads], as the cache gets them: keys normed and rotated.
  std::vector<SeenInput> keys, values;

  // amax / 127 of each head's chosen range; 1 where nothing but zeros was seen.
  KvScales scales() const;
};

// Runs the model that `weights` make, with a cache of f32, over the text. `from`: whose tokenizer
// and configuration it has. The same for any number of threads and any instruction set. Fails where
// a key or a value is not finite.
Result<KvCalibration> calibrate_kv_cache(Context& context, const Checkpoint& from,
                                         WeightSource& weights, const CalibrationOptions& options,
                                         Progress& progress);

}  // namespace farthing
