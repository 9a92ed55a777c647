// Calibration of a KV cache: what its heads get while a model reads a text, for codecs whose scales
// are fixed.
#pragma once

#include <filesystem>

#include "base/progress.h"
#include "eval/calibration/input_range.h"
#include "eval/windows.h"
#include "model/model.h"

namespace farthing {

// amax / 127 of the chosen range of a head's keys or values; 1 where nothing but zeros was seen.
float kv_scale(const SeenInput& seen, const RangeOptions& range);

// The scales [layers][kv_heads] of what the model that `weights` make puts into a cache of f32
// while it reads the windows: keys as the cache gets them, normed and rotated. One stage is in
// memory at a time; hidden states lie in `work`, a folder, with what is done so far (kv_work.h). A
// call that finds another's files there goes on with them: they must be of the same model, windows
// and range. The same for any number of threads, any instruction set, and however often it was
// interrupted. Fails where a key or a value is not finite.
Result<KvScales> calibrate_kv_cache(Context& context, const ModelConfig& config,
                                    WeightSource& weights, const Windows& windows,
                                    const RangeOptions& range, const std::filesystem::path& work,
                                    Progress& progress);

}  // namespace farthing
