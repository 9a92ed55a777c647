// Recipe: everything that decides a training run, from a TOML file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/trained_model.h"

namespace farthing {

enum class TrainMode { pretrain, finetune, qat };

// Sizes of a model that is made anew (mode pretrain); the architecture is the given model's.
struct FreshModel {
  int64_t hidden_size, layers, heads, kv_heads, intermediate_size, max_positions;
  bool tied_embeddings = true;
};

struct DataSource {
  std::string path;
  std::string kind;  // "text", "jsonl", "tokens"
  double weight = 1;
};

// What follows training, one after the other (workflows/pipeline.h). It does not decide the result.
struct ServeStage {
  std::vector<std::string> prompts;
  int64_t max_tokens = 64;
};
struct AlignStage {
  int64_t tokens = 1024, context = 128;
};

struct Recipe {
  TrainMode mode = TrainMode::finetune;
  uint64_t seed = 1;
  std::optional<FreshModel> model;
  TrainedPrecision precision;
  std::vector<DataSource> data;
  int64_t context = 256;        // most tokens of a sequence
  int64_t batch_tokens = 2048;  // most tokens of a step, all accumulated batches together
  AdamW optimizer;
  int64_t accumulation = 1;  // batches a step
  bool gradient_checkpointing = false;
  Schedule schedule;
  std::string evaluation_path;  // a text; empty: no evaluation
  int64_t evaluation_every = 100, evaluation_tokens = 8192;
  int64_t checkpoint_every = 200, checkpoint_keep = 2;
  std::optional<ServeStage> serve;
  std::optional<AlignStage> align;

  // Paths in the file are relative to its folder. An unknown key, a wrong type, a value out of
  // range: an error that names file, line and key. `data` and `evaluation` replace the file's
  // sources where they are not empty.
  static Result<Recipe> read(const std::filesystem::path& file, const std::string& data = {},
                             const std::string& evaluation = {});

  // What decides the result beside the data's contents, a line a value: runs with equal texts, on
  // equal data and the same model, give the same bytes.
  std::string settings() const;
};

}  // namespace farthing
