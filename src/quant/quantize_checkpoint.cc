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
                                                     const QuantizeOptions& options,
                                                     const std::filesystem::path& to,
                                                     Progress& progress) {
  TRY(check_options(options));
  QuantizingSource source(context, from, options);
  const CheckpointWriting writing{
      .from = from,
      .source = source,
      .method = std::string(options.method->name),
      .scheme = options.scheme,
      .scale_rule = options.scale_rule,
      .format_of = [&](const LinearSpec& spec, bool is_table) -> Result<const Format*> {
        if (!is_table) return &format_that_holds(*options.scheme.weights, spec.k);
        if (options.tables) return &format_that_holds(*options.tables->weights, spec.k);
        return TRY(from.table(spec)).weight.format;  // a table that stays keeps its own type
      },
      .manifest = [&] { return manifest(options, source.reports()); }};
  TRY(write_checkpoint(writing, to, progress));
  return source.reports();
}

}  // namespace farthing
