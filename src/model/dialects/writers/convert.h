// Writing a model in another program's files, mostly a quantized Hugging Face directory: the same
// codes, scales and zero points in another order, without a rounding.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint.h"
#include "model/dialects/writers/writer.h"

namespace farthing {

struct Conversion {
  // Of each linear and table that is quantized.
  struct Linear {
    std::string name;
    Scheme from, to;
  };
  std::vector<Linear> linears;
  int64_t bytes = 0;  // of all tensors
};

struct ConvertOptions {
  // Rounding of inputs that the dialect cannot state is left out, whatever it is; else only where
  // it is the one that the weights' format has by default, as GGUF's blocks do.
  // So is the KV cache that the model brings, or says something of.
  bool weight_only = false;
  bool allow_rounding = false;  // as in WriterOptions
};

// Every tensor that is not part of a quantized linear goes along as it is. The directory is
// complete or absent; one linear is in memory at a time. Fails, and names the linear, where the
// dialect cannot hold exactly what it is.
Result<Conversion> convert_checkpoint(Checkpoint& from, const DialectTarget& target,
                                      const std::filesystem::path& to,
                                      const ConvertOptions& options, ThreadPool& pool,
                                      Progress& progress);

// The same as a directory of this program's own, which holds every scheme as it is.
Result<Conversion> convert_to_own(Checkpoint& from, const std::filesystem::path& to,
                                  const ConvertOptions& options, Progress& progress);

// The same as a GGUF file, also of a model that is not quantized.
Result<Conversion> convert_to_gguf(Checkpoint& from, const std::filesystem::path& to,
                                   const ConvertOptions& options, ThreadPool& pool,
                                   Progress& progress);

// The KV cache that a model brings or says something of, in words; empty: nothing beside f32.
Result<std::string> kv_cache_of(Checkpoint& model);
// What is said where the output does not say it.
Error kv_cache_left_out(const Checkpoint& from, std::string_view target, std::string kv_cache);
// What is said of a model without a quantized linear.
Error nothing_to_convert(const Checkpoint& from);
// The text of the file that marks a directory as written here.
std::string conversion_manifest(const Checkpoint& from, std::string_view dialect);

// Fails, and names the first that differs, where a value of any tensor of the model is another in
// both, or a static scale of inputs that both state. A zero may have another sign.
// With `rounded_scales` values may differ by three units in the last place.
Result<> check_same_weights(Checkpoint& one, Checkpoint& other, bool rounded_scales,
                            Progress& progress);

}  // namespace farthing
