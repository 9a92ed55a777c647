// farthing quantize: stores a model's linears in a number format.
#include <fmt/format.h>

#include <algorithm>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "apps/quantize_flags.h"
#include "base/json_writer.h"
#include "quant/method.h"
#include "quant/quantize.h"
#include "quant/stages/layer_report_json.h"

namespace farthing {
namespace {

struct Options {
  std::string model, output;
  QuantizeFlags flags;
  std::optional<ScaleRule> scale_rule;
  bool strict = false;
  float damping = 0, smoothing_strength = -1,
        spqr_outlier_threshold = -1;  // 0 and -1: the recipe's
  std::vector<std::string> redo;
  std::string calibration;  // a file; empty: the built-in text
  std::optional<RangeMethod> range;
  float percentile = 0;          // 0: the recipe's
  float outlier_threshold = -1;  // -1: the recipe's
  std::optional<KvCodec> kv_cache;
  std::optional<RangeMethod> kv_range;
  float kv_percentile = 0;  // 0: the recipe's
  bool resume = false, natural_order = false;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model, "The model to quantize");
  list.required("-o,--output", "DIR", options.output,
                "The folder to write; new, empty, or from an earlier run");
  list.parsed(
      "--format", "SCHEME", options.flags.format, parse_scheme,
      "REQUIRED, here or in the recipe. WEIGHTS[@ACTIVATIONS]; `farthing formats` lists them");
  list.parsed("--method", "NAME", options.flags.method, parse_method,
              "How scales and codes are chosen: " + method_names() + "; rtn without it");
  list.parsed("--scale-rule", "RULE", options.scale_rule, parse_scale_rule,
              "How scales are chosen; the format's own rule without it");
  declare_quantize_flags(list, options.flags);
  list.flag("--strict", options.strict,
            "A linear that the format's blocks cannot hold is an error, not stored in another");
  list.text("--calibration,--dataset", "FILE", options.calibration,
            "The text that methods which see inputs, and static activations, are calibrated with; "
            "articles "
            "of WikiText-2 without it");
  list.parsed("--activation-range", "METHOD", options.range, parse_range_method,
              "The range of static activations: " + std::string(range_method_names) +
                  "; absmax without it");
  list.number("--percentile", options.percentile, 50, 100,
              "percentile: the share of magnitudes that the range holds; 99.99 without it");
  declare_outlier_threshold(list, options.outlier_threshold);
  list.parsed("--kv-cache-dtype", "TYPE", options.kv_cache, parse_kv_codec,
              "The type of the model's KV cache where no command asks for another: " +
                  kv_codec_names() + "; as the model says without it. int8_static is calibrated");
  list.parsed("--kv-cache-range", "METHOD", options.kv_range, parse_kv_range,
              "int8_static: how each head's range is chosen, as of activations");
  list.number("--kv-cache-percentile", options.kv_percentile, 50, 100,
              "percentile: as of activations");
  list.number(
      "--damp-percent,--dampening-frac", options.damping, 1e-6f, 1,
      "gptq, spqr: what is added to the diagonal of the inputs' Gram matrix, relative to its mean; "
      "0.01 without it");
  list.number(
      "--spqr-outlier-threshold", options.spqr_outlier_threshold, 0, 1e6f,
      "spqr: the squared error beyond which a weight is kept apart, relative to the columns' "
      "mean squares; 0.2 without it");
  list.number("--smoothing-strength,--alpha", options.smoothing_strength, 0, 1,
              "smoothquant: the exponent of the inputs' range in the factors; 0.5 without it");
  list.flag("--no-act-order", options.natural_order,
            "gptq, spqr: columns in their order, not those with the largest inputs first");
  list.list(
      "--redo", "LAYERS,...", options.redo,
      "Patterns of linears: only these are quantized, anew, and take their places in DIR, which "
      "an earlier run wrote");
  list.flag("--resume", options.resume,
            "Go on with what an interrupted run of the same command left in DIR.work");
}

// The recipe, with what the command line says instead.
Result<QuantizeRecipe> recipe_of(const Options& options) {
  QuantizeRecipe out = TRY(recipe_of(options.flags));
  QuantizeOptions& to = out.options;
  if (to.scheme.weights == nullptr) return fail(no_format());
  if (to.method == nullptr) to.method = find_algorithm("rtn");
  if (options.scale_rule) to.scale_rule = options.scale_rule;
  if (options.smoothing_strength >= 0)
    to.algorithm.smoothing_strength = static_cast<double>(options.smoothing_strength);
  if (options.range) to.range.method = *options.range;
  if (options.percentile != 0) to.range.percentile = static_cast<double>(options.percentile);
  if (options.outlier_threshold >= 0) to.range.outlier_threshold = options.outlier_threshold;
  if (options.kv_cache) to.kv_cache = options.kv_cache;
  if (options.kv_range) to.kv_cache_range.method = *options.kv_range;
  if (options.kv_percentile != 0)
    to.kv_cache_range.percentile = static_cast<double>(options.kv_percentile);
  if (options.damping != 0) to.algorithm.damping = options.damping;
  if (options.spqr_outlier_threshold >= 0)
    to.algorithm.outlier_threshold = options.spqr_outlier_threshold;
  if (options.natural_order) to.algorithm.act_order = false;
  if (options.strict) to.strict = true;
  if (!options.calibration.empty()) out.calibration.text = options.calibration;
  fill_samples(out);
  return out;
}

Result<> check(const Options& options) {
  const QuantizeRecipe recipe = TRY(recipe_of(options));
  const QuantizeOptions& wanted = recipe.options;
  if (options.kv_range && !needs_kv_scales(wanted)) {
    return fail({.what = "there is no range to choose",
                 .where = "--kv-cache-range",
                 .got = wanted.kv_cache ? std::string(kv_codec_info(*wanted.kv_cache).name)
                                        : "no --kv-cache-dtype",
                 .wanted = "a KV cache with calibrated scales",
                 .remedy = "add --kv-cache-dtype int8_static, or leave the range away"});
  }
  if (!options.calibration.empty() && !has_static_activations(wanted) && !needs_inputs(wanted) &&
      !needs_kv_scales(wanted)) {
    return fail({.what = "there is nothing to calibrate",
                 .where = "--calibration",
                 .got = fmt::format("{} by {}", wanted.scheme.name(), method_of(wanted).name()),
                 .wanted =
                     "a method that sees inputs, such as gptq, or a scheme with static "
                     "activations, such as int8_row@int8_static, or --kv-cache-dtype int8_static",
                 .remedy = "leave --calibration away"});
  }
  if (!options.redo.empty() && wanted.rescaling != nullptr) {
    return fail({.what = "a method that rescales channels changes more than the linears to redo",
                 .where = "--method",
                 .got = method_of(wanted).name(),
                 .wanted = "one of " + algorithm_names(),
                 .remedy = "quantize the whole model with it, without --redo"});
  }
  TRY(check_outlier_threshold(options.outlier_threshold >= 0, wanted));
  return check_options(wanted);
}

struct Totals {
  double bits_per_weight = 0, relative_squared_error = 0;
  int64_t clipped = 0, flushed = 0, fallbacks = 0;
};

Totals totals_of(const std::vector<LayerReport>& layers) {
  Totals out;
  double weights = 0, bytes = 0;
  for (const LayerReport& layer : layers) {
    const auto count = static_cast<double>(layer.n * layer.k);
    weights += count;
    bytes += static_cast<double>(layer.bytes);
    out.clipped += layer.encode.clipped;
    out.flushed += layer.encode.flushed_groups;
    out.fallbacks += !layer.fallback.empty();
  }
  if (weights == 0) return out;
  out.bits_per_weight = 8 * bytes / weights;
  out.relative_squared_error = mean_relative_squared_error(layers);
  return out;
}

int64_t stored_bytes(const Checkpoint& checkpoint) {
  int64_t bytes = 0;
  for (const StoredTensorInfo& tensor : checkpoint.tensors()) bytes += tensor.bytes;
  return bytes;
}

struct Outcome {
  const Options& options;
  const QuantizeOptions& quantize;
  std::vector<LayerReport> layers;
  int64_t bytes_before, bytes_after;
  KvCodec kv_cache;
  double seconds;
};

std::string json_text(const Outcome& outcome) {
  const Totals totals = totals_of(outcome.layers);
  JsonWriter json(true);
  json.begin_object().field("model", outcome.options.model).field("output", outcome.options.output);
  json.field("scheme", outcome.quantize.scheme.name())
      .field("method", method_of(outcome.quantize).name());
  if (const Rotation& rotation = outcome.quantize.rotation; rotation.any())
    json.field("rotation", rotation.name()).field("rotation_seed", rotation.seed);
  if (const std::string note = batch_note(outcome.quantize.scheme); !note.empty())
    json.field("note", note);
  json.field("kv_cache_dtype", kv_codec_info(outcome.kv_cache).name);
  json.field("bits_per_weight", totals.bits_per_weight);
  json.field("relative_squared_error", totals.relative_squared_error);
  json.field("bytes_before", outcome.bytes_before).field("bytes_after", outcome.bytes_after);
  json.field("seconds", outcome.seconds).key("layers").begin_array();
  for (const LayerReport& layer : outcome.layers) {
    json.begin_object();
    write_report(json, layer);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

std::string experts_text(const std::vector<LayerReport>& layers) {
  int64_t few = 0, least = 0;
  for (const LayerReport& layer : layers)
    if (layer.routed_tokens < layer.tokens) {
      least = few == 0 ? layer.routed_tokens : std::min(least, layer.routed_tokens);
      ++few;
    }
  if (few == 0) return {};
  return fmt::format(
      "{} linears of experts got fewer tokens of the calibration than they have inputs (the least: "
      "{}) and were fitted to all of its tokens\n",
      few, least);
}

std::string text(const Outcome& outcome) {
  const bool with_outputs = std::any_of(outcome.layers.begin(), outcome.layers.end(),
                                        [](const LayerReport& l) { return l.output_error != 0; });
  std::vector<std::vector<std::string>> rows{
      {"linear", "n x k", "format", "bits/weight", "error", "clipped"}};
  if (with_outputs) rows[0].insert(rows[0].end(), {"outputs, rounded", "outputs"});
  std::string fallbacks;
  for (const LayerReport& layer : outcome.layers) {
    rows.push_back({layer.name, fmt::format("{} x {}", layer.n, layer.k), layer.format,
                    fmt::format("{:.3f}", layer.bits_per_weight),
                    fmt::format("{:.2e}", layer.relative_squared_error),
                    count_text(layer.encode.clipped)});
    if (with_outputs)
      rows.back().insert(rows.back().end(), {fmt::format("{:.2e}", layer.output_error_before),
                                             fmt::format("{:.2e}", layer.output_error)});
    if (!layer.fallback.empty())
      fallbacks += fmt::format("stored as {}: {}: {}\n", layer.format, layer.name, layer.fallback);
  }
  const Totals totals = totals_of(outcome.layers);
  const std::vector<std::string>& redo = outcome.options.redo;
  const auto done = std::count_if(outcome.layers.begin(), outcome.layers.end(), [&](const auto& l) {
    return redo.empty() || is_among(redo, {l.name, l.n, l.k});
  });
  const auto before = static_cast<double>(outcome.bytes_before),
             after = static_cast<double>(outcome.bytes_after);
  std::string out = table_text(rows);
  out +=
      "\nerror: squared error relative to the squared weights. clipped: weights beyond the ends of "
      "the grid.\n";
  if (with_outputs)
    out +=
        "outputs: squared error of the linear's outputs on the calibration text, relative to their "
        "squares; before it, what rounding to nearest would give.\n";
  out += experts_text(outcome.layers);
  out += fallbacks;
  if (const std::string note = batch_note(outcome.quantize.scheme); !note.empty())
    out += "note: " + note + "\n";
  if (outcome.quantize.rotation.any())
    out += fmt::format("rotated first: {}\n", outcome.quantize.rotation.name());
  if (totals.flushed > 0)
    out +=
        fmt::format("{} groups are so small that they became zero\n", count_text(totals.flushed));
  out += fmt::format(
      "{}: {} linears to {} by {} in {:.1f} s; {:.3f} bits per weight, error {:.2e}; all tensors "
      "{} -> {} "
      "({:.2f} times smaller)\n",
      outcome.options.output,
      redo.empty() ? fmt::format("{}", done) : fmt::format("{} of {}", done, outcome.layers.size()),
      outcome.quantize.scheme.name(), method_of(outcome.quantize).name(), outcome.seconds,
      totals.bits_per_weight, totals.relative_squared_error, size_text(before), size_text(after),
      before / after);
  if (outcome.kv_cache != KvCodec::f32)
    out += fmt::format("KV cache: {}, unless a command asks for another\n",
                       kv_codec_info(outcome.kv_cache).name);
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  tell(kv_cache_note(checkpoint->stated_kv_cache()));
  const double started = now_seconds();
  const QuantizeRecipe recipe = TRY(recipe_of(options));
  std::vector<LayerReport> layers;
  {
    ProgressBar progress;
    layers = TRY(quantize_checkpoint(owner->get(), *checkpoint, recipe.options, options.output,
                                     progress, {recipe.calibration, options.resume, options.redo}));
  }
  const double seconds = now_seconds() - started;
  const auto written = TRY(Checkpoint::open(options.output));
  const Outcome outcome{options,
                        recipe.options,
                        std::move(layers),
                        stored_bytes(*checkpoint),
                        stored_bytes(*written),
                        TRY(written->kv_cache()).codec,
                        seconds};
  return print(common.json ? json_text(outcome) : text(outcome));
}

}  // namespace

Command quantize_command() {
  return make_command<Options>(
      {.name = "quantize",
       .summary = "stores a model's linears in a number format",
       .details =
           "Writes a Hugging Face directory (safetensors, config.json with the scheme, tokenizer) "
           "that every command\n"
           "reads as MODEL. Prints the error of each linear. The folder is complete or absent. A "
           "method that sees inputs (imatrix,\n"
           "gptq), and a KV cache that is calibrated, read a text block by block; what is done "
           "lies "
           "in DIR.work until the folder is\n"
           "there, and --resume goes on with it.",
       .example = "  farthing quantize models/stories260k -o /tmp/stories-int4 --format int4_g32\n"
                  "  farthing quantize models/stories260k -o /tmp/stories-gptq --format int4_g32 "
                  "--method gptq\n"
                  "  farthing quantize models/stories260k -o /tmp/stories-gptq --format int8_g32 "
                  "--method gptq --redo 'model.layers.2.mlp.down_proj'"},
      declare, run, check);
}

}  // namespace farthing
