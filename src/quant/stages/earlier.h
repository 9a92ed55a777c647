// A finished quantization some of whose linears are done again, the others staying as they are.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

// Hands out linears that options.only names from the unquantized model, all else from what was
// stored. `from` and `options` must outlive it.
class EarlierQuantization : public WeightSource {
 public:
  // Fails where `folder` was not written by `farthing quantize` from a model of these tensors, or
  // where channels were rescaled, so that its linears do not belong to `from`'s.
  static Result<std::unique_ptr<EarlierQuantization>> open(Checkpoint& from,
                                                           const std::filesystem::path& folder,
                                                           const QuantizeOptions& options);

  Result<StoredLinear> linear(const LinearSpec& spec) override;
  Result<StoredLinear> table(const LinearSpec& spec) override { return stored_->table(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override { return stored_->vector(spec); }
  Result<KvCacheFormat> kv_cache() override { return stored_->kv_cache(); }
  void use_pool(ThreadPool* pool) override;

  // As config.json says.
  const std::string& method() const { return method_; }
  const Scheme& scheme() const { return scheme_; }
  std::optional<ScaleRule> scale_rule() const { return scale_rule_; }
  // The reports of then, with those of what was done again in their places.
  std::vector<LayerReport> joined(const std::vector<LayerReport>& again) const;

 private:
  EarlierQuantization(Checkpoint& from, const QuantizeOptions& options)
      : from_(from), options_(options) {}
  Result<> read_config(const std::filesystem::path& folder);
  Result<> read_reports(const std::filesystem::path& folder);

  Checkpoint& from_;
  const QuantizeOptions& options_;
  std::unique_ptr<Checkpoint> stored_;
  std::string method_;
  Scheme scheme_;
  std::optional<ScaleRule> scale_rule_;
  std::vector<LayerReport> reports_;
};

}  // namespace farthing
