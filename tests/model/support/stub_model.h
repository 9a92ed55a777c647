// A model without weights, whose logits a test writes.
#pragma once

#include <algorithm>

#include "model/model.h"

namespace farthing::testing {

class StubModel : public Model {
 public:
  StubModel(int64_t vocabulary, int64_t positions) : Model(config_of(vocabulary, positions)) {}
  WeightSlots weights() override { return {}; }
  void run(Context&, std::span<const SequenceTokens> batch,
           const autograd::Value& logits) const override {
    int64_t row = 0;
    for (const SequenceTokens& s : batch) {
      s.sequence->length += static_cast<int64_t>(s.tokens.size());
      see(s);
      for (const int32_t token : s.tokens.last(static_cast<size_t>(s.logits))) {
        std::fill_n(logits.data.row(row), logits.data.columns, 0.0f);
        write_logits(token, logits.data.row(row++));
      }
    }
  }
  // Of the row of zeros behind `token`.
  virtual void write_logits(int32_t token, float* row) const = 0;
  // Of each sequence of a run, with its new length.
  virtual void see(const SequenceTokens&) const {}

 protected:
  void reserve_positions(int64_t) const override {}

 private:
  static ModelConfig config_of(int64_t vocabulary, int64_t positions) {
    ModelConfig config;
    config.layers = config.kv_heads = 1;
    config.head_dim = 16;
    config.vocabulary_size = vocabulary;
    config.max_positions = positions;
    return config;
  }
};

}  // namespace farthing::testing
