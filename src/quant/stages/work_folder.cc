// Files of a quantization that is under way.
#include "quant/stages/work_folder.h"

#include <fmt/format.h>

#include "base/leftovers.h"
#include "formats/outliers.h"
#include "io/safetensors/safetensors.h"
#include "model/checkpoint.h"
#include "quant/stages/layer_report_json.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

constexpr const char* identity_name = "work.json";

Error file_error(std::string what, const fs::path& where, std::string got) {
  return {.what = std::move(what),
          .where = where.string(),
          .got = std::move(got),
          .wanted = "a file that this program wrote",
          .remedy = "remove the folder and start again"};
}

// Names of factors are these and the tensor's.
constexpr std::pair<std::string_view, std::map<std::string, std::vector<float>> ChannelFactors::*>
    kinds_of_factors[] = {{"columns:", &ChannelFactors::columns},
                          {"rows:", &ChannelFactors::rows},
                          {"vectors:", &ChannelFactors::vectors},
                          {"one_plus:", &ChannelFactors::one_plus}};

std::string scheme_text(const StoredLinear& linear) {
  return fmt::format("{}@{}", linear.weight.format->name, activations_name(linear.activations));
}

}  // namespace

Result<WorkFolder> WorkFolder::open(const fs::path& path, const std::string& identity,
                                    bool resume) {
  WorkFolder folder(path);
  remove_leftovers(path);
  std::error_code error;
  const fs::path mark = path / identity_name;
  if (fs::exists(mark, error)) {
    if (TRY(read_text_file(mark)) != identity) {
      return fail({.what = "the folder holds the unfinished work of another quantization",
                   .where = path.string(),
                   .got = "another model, or other options",
                   .wanted = fmt::format("what {} says", mark.string()),
                   .remedy = "give that run's options to finish it, or remove the folder"});
    }
    if (!resume) {
      return fail({.what = "an earlier run of this quantization was interrupted",
                   .where = path.string(),
                   .got = "its unfinished work",
                   .wanted = "no such folder, or --resume",
                   .remedy = "add --resume to go on with it, or remove the folder to start again"});
    }
    for (folder.done_ = -1; fs::exists(folder.stage(folder.done_ + 1), error);) ++folder.done_;
    return folder;
  }
  fs::create_directories(path, error);
  if (error) return fail(file_error("cannot make the folder", path, error.message()));
  TRY(write_text_file(mark, identity));
  return folder;
}

fs::path WorkFolder::hidden(int64_t stage) const {
  return path_ / fmt::format("hidden-{}.f32", stage);
}
fs::path WorkFolder::stage(int64_t stage) const {
  return path_ / fmt::format("stage-{}.safetensors", stage);
}

Result<> WorkFolder::finish_stage(int64_t stage, const StageResult& result) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  JsonWriter json;
  json.begin_array();
  for (const QuantizedLinear& linear : result.linears) {
    const QuantizedTensor& q = linear.stored.weight;
    const auto planes = q.format->planes(q.n, q.k, q.scale_dtype);
    for (size_t i = 0; i < planes.size(); ++i)
      tensors.emplace_back(plane_tensor_name(linear.report.name, planes[i].name), q.planes[i]);
    json.begin_object();
    write_report(json, linear.report);
    json.field("scheme", scheme_text(linear.stored));
    json.field("input_scale", linear.stored.input.scale);
    json.field("input_zero", linear.stored.input.zero);
    json.field("input_outlier_threshold", linear.stored.input.outlier_threshold);
    json.key("input_outliers").begin_array();
    for (const int32_t column : linear.stored.input.outliers.list()) json.value(column);
    json.end_array().end_object();
  }
  json.end_array();
  for (const auto& [kind, factors] : kinds_of_factors)
    for (const auto& [name, values] : result.factors.*factors) {
      Tensor tensor(DType::f32, {static_cast<int64_t>(values.size())});
      std::copy(values.begin(), values.end(), tensor.as<float>());
      tensors.emplace_back(std::string(kind) + name, std::move(tensor));
    }
  TRY(write_safetensors(this->stage(stage), tensors, {{"linears", json.take()}}));
  done_ = stage;
  std::error_code ignored;
  fs::remove(hidden(stage - 1), ignored);
  return {};
}

Result<StageResult> WorkFolder::read_stage(int64_t stage) const {
  const fs::path path = this->stage(stage);
  const auto file = TRY(SafetensorsFile::open(path));
  const auto text = file.metadata().find("linears");
  if (text == file.metadata().end())
    return fail(file_error("a stage's file has no list of linears", path, "no metadata"));
  const auto list =
      TRY(JsonObject::parse(fmt::format("{{\"linears\":{}}}", text->second), path.string()));
  StageResult out;
  for (const JsonObject& entry : TRY(list.objects("linears"))) {
    QuantizedLinear linear{{}, TRY(read_report(entry))};
    const Scheme scheme = TRY(parse_scheme(TRY(entry.string("scheme"))));
    const LayerReport& report = linear.report;
    QuantizedTensor& q = linear.stored.weight;
    q = {scheme.weights, report.n, report.k, scheme.weights->scale_dtype, {}};
    for (const PlaneSpec& plane : scheme.weights->planes(q.n, q.k, q.scale_dtype)) {
      q.planes.push_back(TRY(file.tensor(plane_tensor_name(report.name, plane.name))));
      if (!is_plane(q.planes.back(), plane))
        return fail(file_error("a plane has another shape than its format", path, report.name));
    }
    TRY(check_outliers(q, report.name));
    linear.stored.activations = scheme.activations;
    linear.stored.input.scale = static_cast<float>(TRY(entry.number("input_scale")));
    linear.stored.input.zero = static_cast<int>(TRY(entry.integer("input_zero")));
    linear.stored.input.outlier_threshold =
        static_cast<float>(TRY(entry.number("input_outlier_threshold")));
    const auto columns = TRY(entry.integers("input_outliers"));
    linear.stored.input.outliers = OutlierColumns({columns.begin(), columns.end()});
    out.linears.push_back(std::move(linear));
  }
  for (const SafetensorsFile::Entry& entry : file.entries())
    for (const auto& [kind, factors] : kinds_of_factors)
      if (entry.name.starts_with(kind)) {
        const Tensor values = TRY(file.tensor(entry.name));
        const float* const begin = std::as_const(values).as<float>();
        (out.factors.*factors)[entry.name.substr(kind.size())] = {begin, begin + values.shape()[0]};
      }
  return out;
}

}  // namespace farthing
