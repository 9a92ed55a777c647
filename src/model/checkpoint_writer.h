// Writing a model as a Hugging Face directory whose config.json has a section for the schemes
// (docs/checkpoint.md).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "model/checkpoint.h"

namespace farthing {

// The file that marks a directory as ours, written last.
inline constexpr const char* checkpoint_manifest_name = "farthing.json";

struct CheckpointWriting {
  Checkpoint& from;      // gives config.json, the tokenizer and their like
  WeightSource& source;  // gives the weights; one is in memory at a time
  std::string method;    // "rtn", "qat"
  Scheme scheme;         // of most linears
  std::optional<ScaleRule> scale_rule;
  // The scheme in which the source will give a linear, or a table (embedding, head), how many
  // outlier columns its input has, and the type of its scales where it is not the format's.
  struct Linear {
    Scheme scheme;
    int64_t outliers = 0;
    std::optional<DType> scale_dtype = {};
  };
  std::function<Result<Linear>(const LinearSpec&, bool is_table)> linear_of;
  // The text of the manifest, once all weights are written.
  std::function<std::string()> manifest;
};

// The directory is complete or absent.
Result<> write_checkpoint(const CheckpointWriting& what, const std::filesystem::path& to,
                          Progress& progress);

}  // namespace farthing
