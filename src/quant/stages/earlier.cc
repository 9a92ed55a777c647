// What the folder's config.json and manifest say.
#include "quant/stages/earlier.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "model/checkpoint_writer.h"
#include "quant/method.h"
#include "quant/stages/layer_report_json.h"

namespace farthing {
namespace {

Error no_earlier(const std::filesystem::path& where, std::string got, std::string wanted) {
  return {.what = "there is no quantization whose linears could be done again",
          .where = where.string(),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "leave --redo away to quantize the whole model"};
}

// Tensors' names and shapes; the types may differ.
bool same_tensors(const ModelConfig& a, const ModelConfig& b) {
  const TensorSpecs x = tensors_of(a), y = tensors_of(b);
  return std::equal(x.linears.begin(), x.linears.end(), y.linears.begin(), y.linears.end(),
                    [](const LinearSpec& p, const LinearSpec& q) {
                      return p.name == q.name && p.n == q.n && p.k == q.k;
                    });
}

}  // namespace

Result<std::unique_ptr<EarlierQuantization>> EarlierQuantization::open(
    Checkpoint& from, const std::filesystem::path& folder, const QuantizeOptions& options) {
  std::unique_ptr<EarlierQuantization> out(new EarlierQuantization(from, options));
  if (!std::filesystem::exists(folder / checkpoint_manifest_name))
    return fail(no_earlier(folder, "no " + std::string(checkpoint_manifest_name),
                           "a folder that `farthing quantize` wrote"));
  out->stored_ = TRY(Checkpoint::open(folder));
  if (!same_tensors(from.config(), out->stored_->config()))
    return fail(no_earlier(folder, "linears of other names or shapes",
                           "a quantization of " + from.path().string()));
  const Rotation &wanted = from.config().plan.rotation, &got = out->stored_->config().plan.rotation;
  if (wanted != got)
    return fail(no_earlier(folder, fmt::format("rotation {}, seed {}", got.name(), got.seed),
                           fmt::format("rotation {}, seed {}", wanted.name(), wanted.seed)));
  TRY(out->read_config(folder));
  TRY(out->read_reports(folder));
  return out;
}

Result<> EarlierQuantization::read_config(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  const auto json = TRY(JsonObject::parse(TRY(read_text_file(file)), file.string()));
  const auto section = TRY(json.object("quantization_config"));
  method_ = TRY(section.string("method"));
  scheme_ = TRY(parse_scheme(TRY(section.string("scheme"))));
  if (section.has("scale_rule")) scale_rule_ = find_scale_rule(TRY(section.string("scale_rule")));
  const auto method = parse_method(method_);
  if (method && method->rescaling == nullptr) return {};
  return fail(no_earlier(
      file, method_,
      "a method that leaves the other linears as they are in the model: " + algorithm_names()));
}

Result<> EarlierQuantization::read_reports(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / checkpoint_manifest_name;
  const auto json = TRY(JsonObject::parse(TRY(read_text_file(file)), file.string()));
  for (const JsonObject& layer : TRY(json.objects("layers")))
    reports_.push_back(TRY(read_report(layer)));
  return {};
}

Result<StoredLinear> EarlierQuantization::linear(const LinearSpec& spec) {
  return is_among(options_.only, spec) ? from_.linear(spec) : stored_->linear(spec);
}

void EarlierQuantization::use_pool(ThreadPool* pool) {
  from_.use_pool(pool);
  stored_->use_pool(pool);
}

std::vector<LayerReport> EarlierQuantization::joined(const std::vector<LayerReport>& again) const {
  std::vector<LayerReport> out = reports_;
  for (const LayerReport& report : again) {
    const auto place = std::find_if(out.begin(), out.end(), [&](const LayerReport& layer) {
      return layer.name == report.name;
    });
    if (place == out.end()) {
      out.push_back(report);
    } else {
      *place = report;
    }
  }
  return out;
}

}  // namespace farthing
