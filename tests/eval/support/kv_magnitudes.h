// What a cache of f32 holds behind a calibration's windows, read from the whole model.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/calibration/calibration.h"
#include "kernels/attention/attention.h"

namespace farthing::testing {

// Of each head of each layer, every magnitude, sorted.
struct KvMagnitudes {
  std::vector<std::vector<float>> keys, values;

  // With the extremes as ranges.
  KvScales scales() const {
    KvScales out;
    for (const auto& [from, to] : {std::pair{&keys, &out.keys}, {&values, &out.values}})
      for (const std::vector<float>& head : *from)
        to->push_back(head.back() == 0 ? 1.0f : head.back() / 127);
    return out;
  }
};

inline KvMagnitudes kv_magnitudes(Context& context, const ModelConfig& config,
                                  WeightSource& weights, const Windows& windows) {
  NoProgress progress;
  const auto model = build_model(context, config, weights, progress).value();
  const int64_t d = config.head_dim, length = windows.context();
  const auto heads = static_cast<size_t>(config.layers * config.kv_heads);
  KvMagnitudes out{std::vector<std::vector<float>>(heads), std::vector<std::vector<float>>(heads)};
  Tensor logits(DType::f32, {length, config.vocabulary_size});
  const AttentionKernel& kernel = choose_attention_kernel(context.isa);
  std::vector<float> page(static_cast<size_t>(decoded_page_floats(d)));
  for (int64_t w = 0; w < windows.count(); ++w) {
    Sequence sequence = model->new_sequence(length, KvCodec::f32);
    model->forward(context, sequence, windows[w], logits.view<float>());
    for (size_t i = 0; i < heads; ++i) {
      const auto layer = static_cast<int64_t>(i) / config.kv_heads;
      const auto head = static_cast<int64_t>(i) % config.kv_heads;
      for (int64_t begin = 0; begin < length; begin += kv_page_positions) {
        const int64_t count = std::min(kv_page_positions, length - begin);
        const auto add = [&](std::vector<float>& to) {
          for (int64_t j = 0; j < count * d; ++j)
            to.push_back(std::fabs(page[static_cast<size_t>(j)]));
        };
        const int64_t p = begin / kv_page_positions;
        kernel->decode_keys(sequence.cache.keys(layer, head), p, d, count, page.data());
        add(out.keys[i]);
        kernel->decode_values(sequence.cache.values(layer, head), p, d, count, page.data());
        add(out.values[i]);
      }
    }
  }
  for (auto* side : {&out.keys, &out.values})
    for (auto& head : *side) std::sort(head.begin(), head.end());
  return out;
}

}  // namespace farthing::testing
