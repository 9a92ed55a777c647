// Sensitivity: what quantizing each part of a model costs by itself, and how many bits each part
// should get of a budget.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/windows.h"
#include "quant/quantize.h"
#include "tensor/context.h"
#include "workflows/measuring.h"

namespace farthing {

// What is quantized by itself.
enum class SensitivityPart {
  linear,  // each linear
  block,   // all linears of a block
  kind,    // the linears of one name in all blocks
};
constexpr std::string_view part_name(SensitivityPart part) {
  return part == SensitivityPart::linear  ? "linear"
         : part == SensitivityPart::block ? "block"
                                          : "kind";
}
std::optional<SensitivityPart> find_part(std::string_view name);

struct SensitivityOptions {
  std::filesystem::path model;
  std::vector<std::string> formats = {"int4_g32", "int8_g32"};  // schemes
  const AlgorithmInfo* method = nullptr;                        // null: rtn
  CalibrationOptions calibration{.samples = 32};                // of a method that sees inputs
  float outlier_threshold = RangeOptions().outlier_threshold;   // of schemes with outlier columns
  SensitivityPart part = SensitivityPart::linear;
  // Absent: the built-in calibration articles. Not the text that the result will be judged by.
  std::optional<std::filesystem::path> text = {};
  WindowOptions windows{.tokens = 2048, .context = 512};
  // report.json of earlier runs on the same model, text, method and threshold: their formats count
  // too, and are not measured again.
  std::vector<std::filesystem::path> earlier = {};
  std::optional<double> target_bits = {};  // bits a weight of all linears
  std::optional<std::filesystem::path> output =
      {};  // a folder for report.html, report.json, recipe.toml
};

// One part in one format.
struct PartCost {
  double kl = 0;  // mean, nats, with nothing else quantized
  int64_t bytes = 0;
};
struct PartSensitivity {
  std::string name;  // "model.layers.3.mlp.down_proj", "block 3", "mlp.down_proj"
  std::vector<std::string> linears = {};  // without ".weight"
  int64_t weights = 0;
  std::vector<PartCost> costs = {};  // of each format
  size_t chosen = 0;                 // the format that a budget gives it
};

struct SensitivityReport {
  std::string model;
  MeasuringProtocol protocol;
  MeasuringPlace place;
  std::string method;
  float outlier_threshold = RangeOptions().outlier_threshold;
  SensitivityPart part = SensitivityPart::linear;
  std::vector<std::string> formats;
  std::vector<PartSensitivity> parts;  // in the order of the model
  std::vector<double> together;        // KL with all parts in each format
  // With a budget: the bits that its choice takes, and the sum of the parts' KL.
  std::optional<double> chosen_bits = {}, chosen_kl = {};
  std::string recipe = {};  // TOML
};

Result<SensitivityReport> sensitivity(Context& context, const SensitivityOptions& options,
                                      Progress& progress);

// For each part the format with which the sum of KL is small and all take at most `bytes`: from the
// cheapest on, always the step that saves the most KL for each byte, by the convex hull of a part's
// formats. False where not even the cheapest fit.
bool allocate(std::vector<PartSensitivity>& parts, int64_t bytes);

// Chooses by `allocate` and writes the recipe; fails where the cheapest formats take more bits.
Result<> spend_budget(SensitivityReport& report, double bits);

// Adds the formats and costs of an earlier report, a file of sensitivity_json; fails, naming the
// field, where it answers another question.
Result<> join_earlier(const std::filesystem::path& file, SensitivityReport& report);

std::string sensitivity_text(const SensitivityReport& report);
std::string sensitivity_json(const SensitivityReport& report);
std::string sensitivity_html(const SensitivityReport& report);

}  // namespace farthing
