// Files of a calibration that is under way.
#include "eval/calibration/kv_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "io/safetensors/safetensors.h"
#include "model/stages/stages.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

constexpr const char* scales_name = "kv-scales.safetensors";
constexpr const char* stage_field = "stage";

Error damaged(const fs::path& where, std::string got) {
  return {.what = "the scales of an unfinished calibration are damaged",
          .where = where.string(),
          .got = std::move(got),
          .wanted = "a file that this program wrote for this model",
          .remedy = "remove the folder and start again"};
}

// Blocks whose attention is in one of the stages up to `stage`.
int64_t attended_blocks(const ModelConfig& config, int64_t stage) {
  int64_t out = 0;
  for (int64_t s = 1; s <= stage; ++s) out += place_of_stage(config, s).attention;
  return out;
}

Tensor tensor_of(const std::vector<float>& values) {
  Tensor out(DType::f32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), out.as<float>());
  return out;
}

}  // namespace

Result<KvWork> KvWork::open(const fs::path& folder, const ModelConfig& config) {
  KvWork out(folder);
  const fs::path path = folder / scales_name;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return out;
  const auto file = TRY(SafetensorsFile::open(path));
  const auto stage = file.metadata().find(stage_field);
  if (stage == file.metadata().end()) return fail(damaged(path, "no stage"));
  const std::string& text = stage->second;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out.done_);
  if (read.ec != std::errc() || out.done_ < 1 || out.done_ >= stage_count(config))
    return fail(damaged(path, "stage " + text));
  const Shape wanted{attended_blocks(config, out.done_) * config.kv_heads};
  for (const auto& [name, to] :
       {std::pair{"keys", &out.scales_.keys}, {"values", &out.scales_.values}}) {
    const Tensor values = TRY(file.tensor(name));
    if (values.dtype() != DType::f32 || values.shape() != wanted)
      return fail(damaged(path, fmt::format("{} {}", name, values.shape().text())));
    to->assign(values.as<float>(), values.as<float>() + wanted.elements());
  }
  return out;
}

fs::path KvWork::hidden(int64_t stage) const {
  return folder_ / fmt::format("kv-hidden-{}.f32", stage);
}

Result<> KvWork::finish_stage(int64_t stage, const KvScales& more) {
  scales_.keys.insert(scales_.keys.end(), more.keys.begin(), more.keys.end());
  scales_.values.insert(scales_.values.end(), more.values.begin(), more.values.end());
  TRY(write_safetensors(folder_ / scales_name,
                        {{"keys", tensor_of(scales_.keys)}, {"values", tensor_of(scales_.values)}},
                        {{stage_field, std::to_string(stage)}}));
  done_ = stage;
  std::error_code ignored;
  fs::remove(hidden(stage - 1), ignored);
  return {};
}

}  // namespace farthing
