// Free-running similarity: how alike a model and its baseline write, each going on from its own
// words.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "eval/bootstrap.h"
#include "eval/windows.h"
#include "model/model.h"
#include "tensor/context.h"

namespace farthing {

struct FreeRunningOptions {
  int64_t tokens = 64;                    // that are written
  int64_t prompt = 64;                    // the first so many of a window; half of it if less
  int64_t windows = 64;                   // at most so many texts
  std::optional<KvCodec> kv_cache = {};   // the model's; the baseline has its own
  std::vector<int32_t> stop_tokens = {};  // each ends a text, of either
};

// Both continue the beginning of each window greedily, until a text ends; its end is the text's
// last token here, whichever token it was. A first token that differs changes all that
// follows, so these figures say how the texts part, not how wrong the model is; teacher-forced
// agreement is what compares models (docs/tasks.md). Means over windows.
struct FreeRunning {
  int64_t windows = 0, prompt = 0, tokens = 0;
  Estimate same_text = {};      // share of texts without a difference
  Estimate same_tokens = {};    // tokens in front of the first difference
  Estimate same_position = {};  // share of the longer text's positions with the same token
  // Share of the baseline's tokens that are the model's most likely ones too, where it reads the
  // baseline's text.
  Estimate teacher_forced = {};
};

// Fails as Engine does.
Result<FreeRunning> free_running(Context& context, const Model& model, const Model& baseline,
                                 const Windows& windows, const FreeRunningOptions& options,
                                 Progress& progress);

}  // namespace farthing
