// WindowRun: one window through the engine's forward pass, and the log-probabilities that it gives.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/model.h"

namespace farthing {

struct WindowRun {
  std::span<const int32_t> tokens;
  int64_t chunk;                 // tokens at a time
  std::optional<KvCodec> codec;  // absent: as the model says
};

// The logits [tokens, vocabulary]; `before(position)` is called before each chunk.
template <class Before>
void run_window(Context& context, const Model& model, const WindowRun& run, View<float, 2> logits,
                const Before& before) {
  const auto size = static_cast<int64_t>(run.tokens.size());
  Sequence sequence = model.new_sequence(size, run.codec);
  for (int64_t at = 0; at < size; at += run.chunk) {
    const int64_t count = std::min(run.chunk, size - at);
    before(at);
    model.forward(context, sequence,
                  run.tokens.subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
                  logits.rows_from(at, at + count));
  }
}

// log p of each next token of a window, from the logits of its first tokens.
Result<std::vector<double>> next_token_log_p(Context& context, View<const float, 2> logits,
                                             std::span<const int32_t> window);

}  // namespace farthing
