// Writing a quantized model as a directory: one linear in memory at a time.
#include "base/json_writer.h"
#include "model/checkpoint_writer.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

std::string manifest(const QuantizeOptions& options, const std::vector<LayerReport>& reports) {
  JsonWriter json(true);
  json.begin_object()
      .field("written_by", "farthing quantize")
      .field("method", options.method->name);
  if (options.calibration != nullptr) {
    json.key("calibration").begin_object().field("text", options.calibration->text);
    json.field("text_digest", options.calibration->text_digest);
    json.field("tokens", options.calibration->tokens).end_object();
  }
  json.key("layers").begin_array();
  for (const LayerReport& report : reports) {
    json.begin_object().field("name", report.name).field("format", report.format);
    json.field("bits_per_weight", report.bits_per_weight);
    json.field("relative_squared_error", report.relative_squared_error);
    if (!report.fallback.empty()) json.field("fallback", report.fallback);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace

Result<std::vector<LayerReport>> quantize_checkpoint(Context& context, Checkpoint& from,
                                                     const QuantizeOptions& wanted,
                                                     const std::filesystem::path& to,
                                                     Progress& progress) {
  TRY(check_options(wanted));
  QuantizeOptions options = wanted;
  TRY(calibrate_for(context, from, {}, options, progress));
  QuantizingSource source(context, from, options);
  const CheckpointWriting writing{
      .from = from,
      .source = source,
      .method = std::string(options.method->name),
      .scheme = options.scheme,
      .scale_rule = options.scale_rule,
      .scheme_of = [&](const LinearSpec& spec, bool is_table) -> Result<Scheme> {
        if (!is_table && !spec.keeps_precision) return scheme_that_holds(options.scheme, spec.k);
        if (is_table && options.tables)
          return scheme_that_holds(
              scheme_of_table(*options.tables, spec.name, options.calibration.get()), spec.k);
        // stays as it is
        const StoredLinear stored = TRY(is_table ? from.table(spec) : from.linear(spec));
        return Scheme{stored.weight.format, stored.activations};
      },
      .manifest = [&] { return manifest(options, source.reports()); }};
  TRY(write_checkpoint(writing, to, progress));
  return source.reports();
}

}  // namespace farthing
