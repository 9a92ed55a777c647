// Checkpoint: a model on disk, whatever its file format, seen by Hugging Face's tensor names.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "text/tokenizer.h"

namespace farthing {

// What a user must know of a KV cache that a file states and the model is run without; empty: none.
std::string kv_cache_note(const StatedKvCache& stated);

// A tensor as `farthing inspect` lists it.
struct StoredTensorInfo {
  std::string name;    // as in the file
  std::string format;  // "F32", "Q4_0", or the name of a registered format
  Shape shape;         // [n, k] for a matrix
  int64_t bytes;
};

class Checkpoint : public WeightSource {
 public:
  // A Hugging Face directory (what `farthing quantize` wrote included), or a GGUF file.
  static Result<std::unique_ptr<Checkpoint>> open(const std::filesystem::path& path);

  const ModelConfig& config() const { return config_; }
  const std::filesystem::path& path() const { return path_; }
  // "safetensors", "GGUF", "farthing"
  virtual std::string_view kind() const = 0;
  virtual std::vector<StoredTensorInfo> tensors() const = 0;
  // A dense or quantized tensor of the file by its name there, as f32.
  virtual Result<Tensor> values(const std::string& name) const = 0;
  // What the file says of the KV cache beside kv_cache(), which knows nothing of it.
  virtual StatedKvCache stated_kv_cache() const { return {}; }
  virtual Result<Tokenizer> tokenizer() const = 0;
  // The chat template, or empty where the model has none.
  virtual Result<std::string> chat_template() const = 0;

  // Calls `use` with each tensor of a Hugging Face directory of this model that is no part of a
  // quantized linear, by its name there: plain matrices as they are and vectors as f32, or, where
  // the file is such a directory, what it holds.
  using UseTensor = std::function<Result<>(const std::string& name, const Tensor& tensor)>;
  virtual Result<> each_plain_tensor(const UseTensor& use);
  // What a Hugging Face directory of this model holds beside the weights: config.json's text
  // without quantization.
  virtual Result<std::string> config_json() const = 0;
  // Writes tokenizer files and the like into a folder.
  virtual Result<> write_companions(const std::filesystem::path& folder) const = 0;

  void use_pool(ThreadPool* pool) override { pool_ = pool; }

 protected:
  Result<> check_finite(const QuantizedTensor& weight, const std::string& name) const;
  Result<> check_finite(const Tensor& f32, const std::string& name) const;
  Error not_finite(int64_t count, const std::string& name) const;
  std::filesystem::path path_;
  ModelConfig config_;

 private:
  ThreadPool* pool_ = nullptr;
};

Result<std::unique_ptr<Checkpoint>> open_hugging_face(const std::filesystem::path& path);
Result<std::unique_ptr<Checkpoint>> open_gguf(const std::filesystem::path& path);

// The safetensors name of a plane of a quantized matrix: "NAME.codes"; a format with one plane
// "weight" uses NAME itself.
std::string plane_tensor_name(const std::string& name, std::string_view plane);
// The tensors of a block's scales of the KV cache, F32 [kv_heads]:
// "model.layers.3.self_attn.k_scale" and "...v_scale".
struct KvScaleNames {
  std::string keys, values;
};
KvScaleNames kv_scale_names(const BlockPlan& block);
// What an activation format with parameters adds to a linear's planes: "input_scale" F32 [1] and,
// with a zero point, "input_zero_point" I8 [1]; "input_outliers" I32 [outliers], the indices of the
// linear's outlier columns; "input_outlier_threshold" F32 [1], where they are the call's. Empty for
// all others.
std::vector<PlaneSpec> input_planes(Activations activations, int64_t outliers);
// Such a plane's value, and what is read from one.
Tensor input_plane(const StaticInput& input, std::string_view plane);
void take_input_plane(const Tensor& tensor, std::string_view plane, StaticInput& input);

}  // namespace farthing
