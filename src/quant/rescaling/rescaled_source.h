// Weights with some channels rescaled.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace farthing {

// What becomes of which tensor, by its name.
struct ChannelFactors {
  std::map<std::string, std::vector<float>> columns;   // linears': multiplied
  std::map<std::string, std::vector<float>> rows;      // linears': divided
  std::map<std::string, std::vector<float>> vectors;   // divided
  std::map<std::string, std::vector<float>> one_plus;  // 1 + the vector is divided

  bool empty() const { return columns.empty(); }
  // Of other tensors.
  void join(const ChannelFactors& more);
};

// What is wrong with scales of a KV cache where channels are rescaled.
Error scales_of_other_channels();

// Hands out what `base` does; what has factors as f32. Both must outlive it.
class RescaledSource : public WeightSource {
 public:
  RescaledSource(WeightSource& base, const ChannelFactors& factors)
      : base_(base), factors_(factors) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override;
  Result<StoredLinear> table(const LinearSpec& spec) override { return base_.table(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override;
  // Fails where there are factors, and scales that were calibrated without them.
  Result<KvCacheFormat> kv_cache() override;
  void use_pool(ThreadPool* pool) override { base_.use_pool(pool); }

 private:
  WeightSource& base_;
  const ChannelFactors& factors_;
};

}  // namespace farthing
