// BaselineSource: a checkpoint's weights as they are stored, run with activations that are not
// rounded, and counted.
#pragma once

#include "model/model.h"

namespace farthing {

class BaselineSource : public WeightSource {
 public:
  explicit BaselineSource(WeightSource& base) : base_(base) {}

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    StoredLinear out = TRY(base_.linear(spec));
    quantized_ = quantized_ || !out.weight.format->plain;
    linear_bytes_ += out.weight.bytes();
    linear_weights_ += spec.n * spec.k;
    return counted(std::move(out));
  }
  Result<StoredLinear> table(const LinearSpec& spec) override {
    return counted(TRY(base_.table(spec)));
  }
  Result<Tensor> vector(const VectorSpec& spec) override {
    Tensor out = TRY(base_.vector(spec));
    bytes_ += out.bytes();
    return out;
  }

  Result<KvCacheFormat> kv_cache() override { return base_.kv_cache(); }

  // Of what was handed out so far.
  int64_t bytes() const { return bytes_; }
  double bits_per_weight() const {
    return linear_weights_ == 0
               ? 0
               : 8.0 * static_cast<double>(linear_bytes_) / static_cast<double>(linear_weights_);
  }
  // Whether a linear was in a format that is not plain floats.
  bool quantized() const { return quantized_; }

 private:
  StoredLinear counted(StoredLinear linear) {
    bytes_ += linear.weight.bytes();
    linear.activations = Activations::f32;
    linear.input = {};
    return linear;
  }
  WeightSource& base_;
  int64_t bytes_ = 0, linear_bytes_ = 0, linear_weights_ = 0;
  bool quantized_ = false;
};

}  // namespace farthing
