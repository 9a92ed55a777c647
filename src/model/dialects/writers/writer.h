// DialectWriter: how another program's quantized Hugging Face directory holds linears that are
// given, and what its configuration says of them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model.h"

namespace farthing {

struct NamedTensor {
  std::string name;
  Tensor tensor;
  // Of rank 1, and how long is known once the values are: in a rehearsal it has the most.
  bool counted = false;
};

// One linear, or table, of the model that is written.
struct WrittenLinear {
  std::string module;  // "model.layers.0.mlp.down_proj"
  Scheme scheme;       // of plain weights: it is not quantized
  bool embedding = false;
  StoredForm form = {};       // of the same dialect; else as it is by itself
  bool middle_zeros = false;  // zero points that are all the middle; known once it is written
};

class DialectWriter {
 public:
  virtual ~DialectWriter() = default;
  // The scheme by which the dialect holds weights and states the rounding of inputs: the same, or
  // one whose weights recode() makes of these, or one that leaves inputs unrounded where the
  // dialect does not speak of them. Fails where it has no place for such weights.
  virtual Result<Scheme> scheme_for(const Scheme& scheme) const = 0;
  // A linear of a scheme that scheme_for gave, whose form is that of `as`. Tensors of one name are
  // parts of a stack, along its first dimension.
  virtual Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                                   const StoredLinear& linear) const = 0;
  // A tensor that goes along as it is, by the name and in the shape that the dialect has for it;
  // parts of a stack as above.
  virtual NamedTensor plain(const std::string& name, const Tensor& tensor) const {
    return {name, tensor};
  }
  // The object that becomes config.json's quantization_config. Fails where the dialect cannot say
  // it, such as two schemes where it states one; asked before anything is written, too.
  virtual Result<std::string> section(std::span<const WrittenLinear> linears) const = 0;
  // Files beside config.json in which readers look for the same: names and texts.
  virtual Result<std::vector<std::pair<std::string, std::string>>> side_files(
      std::span<const WrittenLinear>) const {
    return std::vector<std::pair<std::string, std::string>>{};
  }
  // Whose threads may put weights in order; null: the caller's.
  void use_pool(ThreadPool* pool) { pool_ = pool; }

 protected:
  ThreadPool* pool_ = nullptr;
};

struct WriterOptions {
  std::string dtype;  // of the model's plain tensors, as config.json says it: "bfloat16"
  // A scale that the dialect holds in another form may be off by an f32's last place where no f32
  // gives it exactly.
  bool allow_rounding = false;
  std::string kv_cache = {};  // what the same dialect said of it, as JSON

  // `guess`, or the f32 near it from which `read` gives exactly `scale`. Fails where there is none
  // and rounding is not allowed; `tensor` is its name.
  Result<float> inverse_scale(const std::string& tensor, float scale, float guess,
                              float (*read)(float)) const;
};

// One line of the list of what `farthing convert` writes.
struct DialectTarget {
  std::string_view name;   // "gptq_v2"
  std::string_view holds;  // "integers of 2, 3, 4, 8 bits in groups or rows"
  std::string_view readers;
  std::unique_ptr<DialectWriter> (*create)(const WriterOptions& options);
  bool embeddings = false;        // it may hold a quantized embedding
  bool short_groups = false;      // the last group of a row may have fewer inputs
  std::string_view dialect = {};  // that reads it, where it has another name
  bool repeats_kv_cache = false;  // it writes what the same dialect said of the KV cache

  bool is_read_as(std::string_view kind) const {
    return kind == (dialect.empty() ? name : dialect);
  }
};

std::span<const DialectTarget> all_dialect_targets();
// Hyphens and underscores are the same.
const DialectTarget* find_dialect_target(std::string_view name);
std::string dialect_target_names();

// What is said where a dialect has no place for a scheme. `instead`: a scheme that it holds.
Error not_held(std::string_view target, const Scheme& scheme, std::string holds,
               std::string_view instead);

}  // namespace farthing
