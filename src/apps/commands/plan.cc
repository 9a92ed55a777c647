// farthing plan: what a model will take, before anything starts.
#include <fmt/format.h>

#include "advise/cards.h"
#include "advise/outline.h"
#include "advise/quantizing_plan.h"
#include "advise/quantizing_time.h"
#include "advise/serving_plan.h"
#include "advise/training_plan.h"
#include "advise/written_outline.h"
#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "apps/quantize_flags.h"
#include "base/json_writer.h"
#include "quant/method.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

struct Options {
  std::string model, train;
  QuantizeFlags flags;
  ServingOptions serving;
  Parallel parallel;
  float memory_gib = 0;  // 0: the known cards
};

void declare(OptionList& list, Options& options) {
  constexpr int64_t many = 1 << 20;
  ServingOptions& serving = options.serving;
  list.required("model,-m,--model", "MODEL", options.model,
                "The model: its files, or its config.json alone");
  list.parsed("--format", "SCHEME", options.flags.format, parse_scheme,
              "As if its linears were quantized to this scheme");
  list.parsed("--method", "NAME", options.flags.method, parse_method,
              "Plan quantizing into a directory too, by this method: " + method_names());
  declare_quantize_flags(list, options.flags);
  list.text("--train", "FILE.toml", options.train,
            "Plan training by this recipe of `farthing train` too; its data need not be there");
  list.integer("--context,--max-model-len", serving.context, 1, many,
               "Positions of each sequence; without it the model's, but at most 4096");
  list.integer("--batch,--max-num-seqs", serving.batch, 1, many, "Sequences that run at once");
  list.integer("--max-num-batched-tokens", serving.max_num_batched_tokens, 1, many,
               "Tokens of one step; `farthing run` takes 256");
  declare_kv_cache(list, serving.kv_cache_dtype);
  list.integer("--tp,--tensor-parallel-size", options.parallel.tensor, 1, 1024,
               "Cards that share each layer");
  list.integer("--pp,--pipeline-parallel-size", options.parallel.pipeline, 1, 1024,
               "Cards, or groups of them, that share the layers");
  list.number("--memory", options.memory_gib, 0, 1 << 20,
              "GiB of a card that is not in the list; 0: the list");
}

// scheme.weights is null where the model is served as it is stored, and method where quantizing it
// is not planned.
Result<QuantizeRecipe> recipe_of(const Options& options) {
  QuantizeRecipe out = TRY(recipe_of(options.flags));
  QuantizeOptions& to = out.options;
  if (options.serving.kv_cache_dtype) to.kv_cache = options.serving.kv_cache_dtype;
  fill_samples(out);
  const bool anything = to.tables || to.method != nullptr || !to.rules.empty() || to.rotation.any();
  if (to.scheme.weights != nullptr || !anything) return out;
  return fail(no_format());
}

Result<> check(const Options& options) {
  const QuantizeRecipe recipe = TRY(recipe_of(options));
  return recipe.options.scheme.weights == nullptr ? Result<>{} : check_options(recipe.options);
}

struct Facts {
  const Options& options;
  const Checkpoint& checkpoint;
  ServingPlan plan;
  CardShare share;
  std::vector<CardFit> fits;
  std::optional<QuantizingPlan> quantizing;
  std::string method;
  double seconds = 0;  // of quantizing
  std::optional<TrainingPlan> training;
};

void write_quantizing(JsonWriter& json, const Facts& facts) {
  if (!facts.quantizing) return;
  const QuantizingPlan& plan = *facts.quantizing;
  json.key("quantize").begin_object().field("method", facts.method);
  json.field("calibration_tokens", plan.tokens).field("memory_bytes", plan.memory);
  json.field("process_bytes", plan.process).field("peak_bytes", plan.peak());
  json.field("output_bytes", plan.output).field("work_bytes", plan.work);
  json.field("estimated_seconds", facts.seconds).end_object();
}

void write_training(JsonWriter& json, const Facts& facts) {
  if (!facts.training) return;
  const TrainingPlan& plan = *facts.training;
  json.key("train").begin_object().field("parameters", plan.parameters);
  json.field("tokens", plan.tokens).field("masters_bytes", plan.masters);
  json.field("gradients_bytes", plan.gradients).field("moments_bytes", plan.moments);
  json.field("weights_bytes", plan.weights).field("activations_bytes", plan.activations);
  json.field("kv_cache_bytes", plan.kv_cache).field("loading_bytes", plan.loading);
  json.field("process_bytes", plan.process).field("peak_bytes", plan.peak());
  json.field("state_bytes", plan.state).field("states_bytes", plan.states);
  json.field("exported_bytes", plan.exported).end_object();
}

void write_layers(JsonWriter& json, const ServingPlan& plan) {
  json.key("layers").begin_array();
  for (const LayerGroup& group : plan.linears) {
    json.begin_object().field("layer", group.kind).field("count", group.count);
    json.field("n", group.first.n).field("k", group.first.k);
    json.field("scheme", full_name(group.first.scheme)).field("kernel", group.first.kernel->name);
    json.field("stored_bytes", group.stored_bytes).field("packed_bytes", group.bytes).end_object();
  }
  json.end_array();
}

std::string json_text(const CommonOptions& common, const Facts& facts) {
  const ServingPlan& plan = facts.plan;
  JsonWriter json(true);
  json.begin_object().field("model", facts.options.model).field("kind", facts.checkpoint.kind());
  json.field("parameters", plan.parameters).field("threads", common.threads);
  json.field("context", plan.context).field("batch", plan.batch);
  json.field("kv_cache_dtype", kv_codec_info(facts.plan.kv_codec).name);
  write_layers(json, plan);
  json.field("stored_bytes", plan.stored()).key("memory").begin_object();
  json.field("weights_bytes", plan.weights).field("loading_bytes", plan.loading);
  json.field("kv_cache_bytes", plan.kv_cache()).field("kv_pages", plan.kv_pages);
  json.field("kv_page_bytes", plan.kv_page_bytes).field("workspace_bytes", plan.workspace);
  json.field("logits_bytes", plan.logits).field("rope_bytes", plan.rope_tables);
  json.field("process_bytes", plan.process).field("peak_bytes", plan.peak());
  json.field("mapped_bytes", plan.mapped).end_object();
  json.key("cards").begin_object();
  json.field("tensor_parallel_size", facts.options.parallel.tensor);
  json.field("pipeline_parallel_size", facts.options.parallel.pipeline);
  json.field("weights_bytes", facts.share.weights);
  json.field("kv_cache_bytes", plan.kv_pages * facts.share.kv_page_bytes);
  json.field("activations_bytes", facts.share.activations).key("fits").begin_array();
  for (const CardFit& fit : facts.fits) {
    json.begin_object().field("card", fit.card.name).field("memory_gib", fit.card.memory_gib);
    json.field("fits", fit.fits).field("most_context", fit.most_context);
    json.field("most_batch", fit.most_batch).end_object();
  }
  json.end_array().end_object();
  write_quantizing(json, facts);
  write_training(json, facts);
  return json.end_object().take();
}

std::string size_text(int64_t bytes) { return farthing::size_text(static_cast<double>(bytes)); }

std::string layers_text(const ServingPlan& plan) {
  std::vector<std::vector<std::string>> rows{
      {"layers", "linear", "n x k", "scheme", "kernel", "stored", "packed"}};
  for (const LayerGroup& group : plan.linears)
    rows.push_back({fmt::format("{} x", group.count), group.kind,
                    fmt::format("{} x {}", group.first.n, group.first.k),
                    full_name(group.first.scheme), std::string(group.first.kernel->name),
                    size_text(group.stored_bytes), size_text(group.bytes)});
  return table_text(rows);
}

std::string memory_text(const ServingPlan& plan) {
  return table_text(
      {{"memory", "bytes", ""},
       {"weights", count_text(plan.weights), "packed for their kernels, vectors"},
       {"while loading", count_text(plan.loading), "besides, before there is anything below"},
       {"KV cache", count_text(plan.kv_cache()),
        fmt::format("{} pages of {} positions", plan.kv_pages, kv_page_positions)},
       {"activations", count_text(plan.workspace), "of the largest step"},
       {"logits", count_text(plan.logits), ""},
       {"rotation angles", count_text(plan.rope_tables), ""},
       {"program", count_text(plan.process), ""},
       {"peak", count_text(plan.peak()), "files that are mapped apart"},
       {"mapped file", count_text(plan.mapped), "read in place; goes where memory is short"}});
}

std::string cards_text(const Facts& facts) {
  const int64_t cards = facts.options.parallel.cards();
  std::string out = fmt::format(
      "each of {} card{}: {} of weights as stored, {} of KV cache, {} of activations; {:.0f} % of "
      "its memory counts\n\n",
      cards, cards == 1 ? "" : "s", size_text(facts.share.weights),
      size_text(facts.plan.kv_pages * facts.share.kv_page_bytes),
      size_text(facts.share.activations), usable_share * 100);
  std::vector<std::vector<std::string>> rows{
      {"card", "GiB", "fits", fmt::format("context, batch {}", facts.plan.batch),
       fmt::format("batch, context {}", facts.plan.context)}};
  for (const CardFit& fit : facts.fits)
    rows.push_back({fit.card.name, fmt::format("{:g}", fit.card.memory_gib),
                    fit.fits ? "yes" : "no", std::to_string(fit.most_context),
                    std::to_string(fit.most_batch)});
  return out + table_text(rows);
}

std::string time_text(double seconds) {
  return seconds < 60 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

std::string training_text(const Facts& facts) {
  if (!facts.training) return {};
  const TrainingPlan& plan = *facts.training;
  return "\n" + table_text({{"training", "", ""},
                            {"masters", count_text(plan.masters),
                             fmt::format("{} parameters in f32", count_text(plan.parameters))},
                            {"gradients", count_text(plan.gradients), ""},
                            {"moments", count_text(plan.moments), "of the optimizer"},
                            {"weights", count_text(plan.weights), "as stored, and packed"},
                            {"activations", count_text(plan.activations),
                             fmt::format("and their gradients, of {} tokens", plan.tokens)},
                            {"keys and values", count_text(plan.kv_cache), ""},
                            {"program", count_text(plan.process), ""},
                            {"peak", count_text(plan.peak()), "files that are mapped apart"},
                            {"states", count_text(plan.states), "bytes on disk, at most"},
                            {"exported model", count_text(plan.exported), "bytes on disk"}});
}

std::string quantizing_text(const Facts& facts) {
  if (!facts.quantizing) return {};
  const QuantizingPlan& plan = *facts.quantizing;
  const std::string time = time_text(facts.seconds);
  return "\n" +
         table_text(
             {{"quantizing by " + facts.method, "", ""},
              {"memory", count_text(plan.peak()), "at the highest moment, mapped files apart"},
              {"directory", count_text(plan.output), "bytes on disk"},
              {"its work folder", count_text(plan.work), "besides, while it is made"},
              {"time", time,
               fmt::format("an estimate, by a moment's measurement here; {} tokens of calibration",
                           count_text(plan.tokens))}});
}

std::string text(const CommonOptions& common, const Facts& facts) {
  const ServingPlan& plan = facts.plan;
  const ModelConfig& config = facts.checkpoint.config();
  return fmt::format(
      "{}: {} ({}), {} parameters, {} on disk\n"
      "context {}, {} at once, KV cache in {}, steps of at most {} tokens, {} "
      "threads\n\n{}\n{}\n{}{}",
      facts.options.model, config.architecture, facts.checkpoint.kind(),
      count_text(plan.parameters), size_text(plan.stored()), plan.context, plan.batch,
      kv_codec_info(facts.plan.kv_codec).name, facts.options.serving.max_num_batched_tokens,
      common.threads, layers_text(plan), memory_text(plan), cards_text(facts),
      quantizing_text(facts) + training_text(facts));
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto checkpoint = TRY(open_outline(options.model));
  const ModelConfig& config = checkpoint->config();
  TRY(check_parallel(config, options.parallel));
  ServingOptions serving = options.serving;
  const QuantizeRecipe recipe = TRY(recipe_of(options));
  if (recipe.options.scheme.weights != nullptr) serving.quantize = recipe.options;
  const auto threads = static_cast<int>(common.threads);
  const Isa isa = TRY(choose_isa());
  Facts facts{options, *checkpoint, {}, {}, {}, {}, {}, 0, {}};
  if (recipe.options.method != nullptr) {
    facts.method = method_of(recipe.options).name();
    facts.quantizing =
        TRY(plan_quantizing(threads, isa, *checkpoint, recipe.options, recipe.calibration));
    facts.seconds = TRY(
        quantizing_seconds(threads, isa, *checkpoint, recipe.options, facts.quantizing->tokens));
  }
  if (!options.train.empty()) {
    // A plan reads no data.
    const Recipe training = TRY(Recipe::read(options.train, "data"));
    facts.training = TRY(plan_training(threads, isa, *checkpoint, training));
  }
  // A rotated model is one that was written.
  std::unique_ptr<Checkpoint> written;
  if (recipe.options.rotation.any()) {
    written = TRY(open_written_outline(*checkpoint, recipe.options));
    serving.quantize = std::nullopt;
  }
  Checkpoint& served = written ? *written : *checkpoint;
  facts.plan = TRY(plan_serving(threads, isa, served, serving));
  facts.share = share_of(served.config(), facts.plan, facts.plan.kv_codec, options.parallel);
  const std::vector<Card> cards =
      options.memory_gib > 0
          ? std::vector<Card>{{"--memory", static_cast<double>(options.memory_gib)}}
          : known_cards();
  facts.fits = fits_of(served.config(), facts.plan, facts.share, cards);
  return print(common.json ? json_text(common, facts) : text(common, facts));
}

}  // namespace

Command plan_command() {
  return make_command<Options>(
      {.name = "plan",
       .summary = "says what memory and disk a model takes, before anything starts",
       .details = "The program rehearses loading and running the model without computing "
                  "anything, and counts what it asks for\n"
                  "(docs/plan.md). config.json is enough. Cards are arithmetic: they hold the "
                  "weights as a file stores them.",
       .example = "  farthing plan models/stories260k --format int4_g32 --context 512 --batch 8\n"
                  "  farthing plan config.json --format int4_g128 --context 32768 "
                  "--kv-cache-dtype int8 --tensor-parallel-size 2"},
      declare, run, check);
}

}  // namespace farthing
