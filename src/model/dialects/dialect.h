// Dialect: how a program stores a quantized model as a Hugging Face directory, what its
// configuration says of each linear, and which tensors that linear is made of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/huggingface.h"
#include "io/json.h"
#include "model/model.h"

namespace farthing {

// How one linear is stored.
struct StoredAs {
  Scheme scheme;
  std::vector<std::string> tensors;  // of the directory; the first is where it is listed
  size_t group = 0;                  // the dialect's own: which part of the section says it
};

// The quantization of one directory, which outlives it.
class DialectReader {
 public:
  virtual ~DialectReader() = default;
  // A linear, or a table: the embedding is no linear, though a dialect may store it as one.
  // Nothing where it is a plain tensor of which nothing is said. Fails where the configuration and
  // the tensors' names contradict each other, or the scheme is none that is registered.
  virtual Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool embedding) const = 0;
  // Codes, scales and zeros exactly as they are stored. Where the scheme's weights are plain the
  // weight is left empty: it is the tensor of the linear's own name.
  virtual Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const = 0;
  // What the model's KV cache stores where nobody asks for another codec.
  virtual KvCodec kv_codec() const { return KvCodec::f32; }
  const StatedKvCache& stated_kv_cache() const { return stated_kv_cache_; }
  // Whose threads may unpack weights; null: the caller's.
  void use_pool(ThreadPool* pool) { pool_ = pool; }

 protected:
  ThreadPool* pool_ = nullptr;
  StatedKvCache stated_kv_cache_;
};

// What a dialect's reader is made from. `config` is the model's, which a dialect may complete.
struct DialectSource {
  const HuggingFaceDirectory& directory;
  const JsonObject& section;  // what says how the model is quantized
  ModelConfig& config;
};

// One line of the list of dialects.
struct Dialect {
  std::string_view name;
  std::vector<std::string_view> quant_methods;  // values of quant_method
  // A file beside config.json that says it where config.json has no section; empty: none.
  std::string_view side_file = {};
  Result<std::unique_ptr<DialectReader>> (*open)(const DialectSource& source);
};

std::span<const Dialect> all_dialects();

struct OpenedDialect {
  const Dialect* dialect;
  std::unique_ptr<DialectReader> reader;
};
// By config.json's section quantization_config or compression_config, or by a dialect's own file
// beside it. Nothing where there is neither.
Result<std::optional<OpenedDialect>> open_dialect(const HuggingFaceDirectory& directory,
                                                  const JsonObject& json, ModelConfig& config);

}  // namespace farthing
