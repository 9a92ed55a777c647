// A checkpoint that brings scales for every codec of the KV cache, whatever it is run with.
#pragma once

#include <memory>
#include <utility>

#include "model/checkpoint.h"

namespace farthing::testing {

// Of a model's heads, each its own; small enough that some keys and values saturate.
inline std::shared_ptr<const KvScales> some_kv_scales(const ModelConfig& config) {
  auto out = std::make_shared<KvScales>();
  for (int64_t i = 0; i < config.layers * config.kv_heads; ++i) {
    out->keys.push_back(0.02f + 0.001f * static_cast<float>(i % 7));
    out->values.push_back(0.01f + 0.0007f * static_cast<float>(i % 5));
  }
  return out;
}

class CheckpointWithKvScales : public Checkpoint {
 public:
  // `codec`: what the model says of its cache.
  explicit CheckpointWithKvScales(std::unique_ptr<Checkpoint> from, KvCodec codec = KvCodec::f32)
      : from_(std::move(from)), format_{codec, some_kv_scales(from_->config())} {
    config_ = from_->config();
    path_ = from_->path();
  }
  Result<StoredLinear> linear(const LinearSpec& spec) override { return from_->linear(spec); }
  Result<StoredLinear> table(const LinearSpec& spec) override { return from_->table(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override { return from_->vector(spec); }
  Result<KvCacheFormat> kv_cache() override { return format_; }
  std::string_view kind() const override { return from_->kind(); }
  std::vector<StoredTensorInfo> tensors() const override { return from_->tensors(); }
  Result<Tensor> values(const std::string& name) const override { return from_->values(name); }
  Result<Tokenizer> tokenizer() const override { return from_->tokenizer(); }
  Result<std::string> chat_template() const override { return from_->chat_template(); }
  Result<std::string> config_json() const override { return from_->config_json(); }
  Result<> write_companions(const std::filesystem::path& folder) const override {
    return from_->write_companions(folder);
  }
  void use_pool(ThreadPool* pool) override { from_->use_pool(pool); }

 private:
  std::unique_ptr<Checkpoint> from_;
  KvCacheFormat format_;
};

}  // namespace farthing::testing
