// The keys of a recipe, and what must hold between them.
#include "train/recipe/recipe.h"

#include <fmt/format.h>

#include "io/toml.h"

namespace farthing {
namespace {

Result<> read_model(TomlTable& r, Recipe& recipe) {
  FreshModel m{};
  m.max_positions = 512;
  constexpr int64_t most = 1 << 20;
  TRY(r.integer("model.hidden_size", m.hidden_size, 2, most));
  TRY(r.integer("model.layers", m.layers, 1, 1000));
  TRY(r.integer("model.heads", m.heads, 1, 1024));
  m.kv_heads = m.heads;
  TRY(r.integer("model.kv_heads", m.kv_heads, 1, 1024));
  TRY(r.integer("model.intermediate_size", m.intermediate_size, 1, most));
  TRY(r.integer("model.max_positions", m.max_positions, 2, most));
  TRY(r.boolean("model.tied_embeddings", m.tied_embeddings));
  if (r.has("model")) recipe.model = m;
  return {};
}

Result<> read_precision(TomlTable& r, TrainedPrecision& p) {
  p.linears = parse_scheme("f32").value();
  TRY(r.parsed("quantization.scheme", p.linears, parse_scheme,
               "WEIGHTS[@ACTIVATIONS], as `farthing formats` lists them"));
  TRY(r.parsed("quantization.scale_rule", p.scale_rule, find_scale_rule, "a scale rule's name"));
  TRY(r.parsed("quantization.tables", p.tables, parse_scheme, "a scheme"));
  TRY(r.parsed("quantization.scales", p.rounding.scales, find_scale_training,
               "\"dynamic\", \"static\" or \"learned\""));
  TRY(r.parsed("quantization.scale_start", p.rounding.start, find_scale_start,
               "\"rule\", \"mean\" or \"least_squares\""));
  TRY(r.number("quantization.scale_learning_rate", p.rounding.scale_rate, 0, 100));
  TRY(r.parsed("quantization.gradient", p.rounding.outside, find_outside_gradient,
               "\"pass_through\" or \"clipped\""));
  auto threshold = static_cast<double>(p.outlier_threshold);
  TRY(r.number("quantization.outlier_threshold", threshold, 0, 1e30));
  p.outlier_threshold = static_cast<float>(threshold);
  return r.parsed("quantization.kv_cache", p.kv_cache, find_kv_codec, "one of " + kv_codec_names());
}

// What the name of a file given on the command line says of its kind.
std::string kind_of(const std::string& path) {
  if (path.ends_with(".jsonl") || path.ends_with(".json")) return "jsonl";
  return path.ends_with(".bin") ? "tokens" : "text";
}

Result<> read_data(TomlTable& r, Recipe& recipe, const std::filesystem::path& folder) {
  for (TomlTable& table : TRY(r.tables("data.source"))) {
    DataSource source;
    TRY(table.word("path", source.path));
    TRY(table.word("kind", source.kind, {"text", "jsonl", "tokens"}));
    TRY(table.number("weight", source.weight, 1e-6, 1e6));
    TRY(table.check_unknown("docs/training.md"));
    if (source.path.empty()) return fail(table.error("path", "the path of a file"));
    if (source.kind.empty()) source.kind = kind_of(source.path);
    source.path = (folder / source.path).string();
    recipe.data.push_back(std::move(source));
  }
  TRY(r.integer("data.context", recipe.context, 2, 1 << 20));
  return r.integer("data.batch_tokens", recipe.batch_tokens, 2);
}

Result<> read_schedule(TomlTable& r, Schedule& s) {
  std::string kind = "cosine";
  TRY(r.word("schedule.kind", kind, {"constant", "cosine", "wsd"}));
  s.kind = kind == "constant" ? Schedule::Kind::constant
           : kind == "wsd"    ? Schedule::Kind::wsd
                              : Schedule::Kind::cosine;
  TRY(r.integer("schedule.steps", s.steps, 1, 1 << 30));
  TRY(r.integer("schedule.warmup_steps", s.warmup_steps, 0, s.steps));
  TRY(r.number("schedule.final_ratio", s.final_ratio, 0, 1));
  TRY(r.number("schedule.decay_fraction", s.decay_fraction, 0, 1));
  return r.number("optimizer.learning_rate", s.learning_rate, 0, 10);
}

Result<> read_optimizer(TomlTable& r, Recipe& recipe) {
  AdamW& a = recipe.optimizer;
  TRY(r.number("optimizer.beta1", a.beta1, 0, 0.9999999));
  TRY(r.number("optimizer.beta2", a.beta2, 0, 0.9999999));
  TRY(r.number("optimizer.epsilon", a.epsilon, 1e-20, 1));
  TRY(r.number("optimizer.weight_decay", a.weight_decay, 0, 10));
  TRY(r.number("optimizer.clip_norm", a.clip_norm, 0, 1e9));
  TRY(r.integer("optimizer.accumulation", recipe.accumulation, 1, 1 << 20));
  return r.boolean("optimizer.gradient_checkpointing", recipe.gradient_checkpointing);
}

Result<> read_records(TomlTable& r, Recipe& recipe, const std::filesystem::path& folder) {
  TRY(r.word("evaluation.path", recipe.evaluation_path));
  if (!recipe.evaluation_path.empty())
    recipe.evaluation_path = (folder / recipe.evaluation_path).string();
  TRY(r.integer("evaluation.every_steps", recipe.evaluation_every, 1));
  TRY(r.integer("evaluation.tokens", recipe.evaluation_tokens, 16));
  TRY(r.integer("checkpoint.every_steps", recipe.checkpoint_every, 1));
  return r.integer("checkpoint.keep", recipe.checkpoint_keep, 1, 1000);
}

Result<> read_stages(TomlTable& r, Recipe& recipe) {
  ServeStage serve;
  TRY(r.words("serve.prompts", serve.prompts));
  TRY(r.integer("serve.max_tokens", serve.max_tokens, 1, 1 << 20));
  if (r.has("serve")) {
    if (serve.prompts.empty()) return fail(r.error("serve.prompts", "at least one prompt"));
    recipe.serve = std::move(serve);
  }
  AlignStage align;
  TRY(r.integer("align.tokens", align.tokens, 2, int64_t{1} << 40));
  TRY(r.integer("align.context", align.context, 2, 1 << 20));
  if (r.has("align")) recipe.align = align;
  return {};
}

Result<> check_model(const TomlTable& r, const Recipe& recipe) {
  const bool pretrain = recipe.mode == TrainMode::pretrain;
  if (recipe.model.has_value() != pretrain)
    return fail(r.error("model", pretrain ? "a section [model] with the sizes of the new model"
                                          : "no [model] unless mode = \"pretrain\""));
  if (!pretrain) return {};
  const FreshModel& m = *recipe.model;
  for (const auto& [key, value] : {std::pair{"model.hidden_size", m.hidden_size},
                                   {"model.layers", m.layers},
                                   {"model.heads", m.heads},
                                   {"model.intermediate_size", m.intermediate_size}})
    if (value == 0) return fail(r.error(key, "a whole number; mode = \"pretrain\" needs it"));
  if (m.hidden_size % (2 * m.heads) != 0 || m.heads % m.kv_heads != 0)
    return fail(r.error("model.heads",
                        "heads that divide hidden_size into an even head size, and a multiple of "
                        "kv_heads"));
  return {};
}

// What no single key shows.
Result<> check_precision(const TomlTable& r, const Recipe& recipe) {
  const TrainedPrecision& p = recipe.precision;
  if (recipe.mode == TrainMode::qat && p.linears.weights->plain == DType::f32)
    return fail(r.error("quantization.scheme", "a number format; mode = \"qat\" needs one"));
  if (recipe.mode != TrainMode::qat && !p.linears.weights->plain)
    return fail(r.error("mode", fmt::format("\"qat\", to train in {}", p.linears.name())));
  const bool scales = p.rounding.scales != ScaleTraining::dynamic;
  // A clipped gradient is also that of inputs beyond a static scale.
  const bool clips = is_static(p.linears.activations) && !has_outliers(p.linears.activations);
  if (!can_round(*p.linears.weights, p.rounding) && (scales || !clips)) {
    return fail(
        r.error(scales ? "quantization.scales" : "quantization.gradient",
                fmt::format("{}: {} has no symmetric integer groups",
                            scales ? "\"dynamic\"" : "\"pass_through\"", p.linears.weights->name)));
  }
  if (!p.scale_rule) return {};
  for (const ScaleRule rule : p.linears.weights->scale_rules)
    if (rule == *p.scale_rule) return {};
  return fail(
      r.error("quantization.scale_rule", fmt::format("a rule of {}", p.linears.weights->name)));
}

}  // namespace

Result<Recipe> Recipe::read(const std::filesystem::path& file, const std::string& data,
                            const std::string& evaluation) {
  TomlTable r = TRY(TomlTable::read(file));
  const auto folder = file.parent_path();
  Recipe out;
  std::string mode = "finetune";
  TRY(r.word("mode", mode, {"pretrain", "finetune", "qat"}));
  out.mode = mode == "pretrain" ? TrainMode::pretrain
             : mode == "qat"    ? TrainMode::qat
                                : TrainMode::finetune;
  auto seed = static_cast<int64_t>(out.seed);
  TRY(r.integer("seed", seed, 0));
  out.seed = static_cast<uint64_t>(seed);
  TRY(read_model(r, out));
  TRY(read_precision(r, out.precision));
  TRY(read_data(r, out, folder));
  if (!data.empty()) out.data = {{data, kind_of(data), 1}};
  TRY(read_schedule(r, out.schedule));
  TRY(read_optimizer(r, out));
  TRY(read_records(r, out, folder));
  TRY(read_stages(r, out));
  if (!evaluation.empty()) out.evaluation_path = evaluation;
  TRY(r.check_unknown("docs/training.md"));
  TRY(check_model(r, out));
  TRY(check_precision(r, out));
  if (out.data.empty())
    return fail(r.error("data.source", "at least one [[data.source]], or --data FILE"));
  return out;
}

std::string Recipe::settings() const {
  std::string out;
  const auto line = [&](std::string_view key, const auto& value) {
    out += fmt::format("{} = {}\n", key, value);
  };
  line("mode", mode == TrainMode::pretrain ? "pretrain"
               : mode == TrainMode::qat    ? "qat"
                                           : "finetune");
  line("seed", seed);
  if (model) {
    line("model",
         fmt::format("{} hidden, {} layers, {} heads, {} kv heads, {} intermediate, {} "
                     "positions, tied {}",
                     model->hidden_size, model->layers, model->heads, model->kv_heads,
                     model->intermediate_size, model->max_positions, model->tied_embeddings));
  }
  line("quantization.scheme", precision.linears.name());
  if (precision.scale_rule) line("quantization.scale_rule", scale_rule_name(*precision.scale_rule));
  if (precision.tables) line("quantization.tables", precision.tables->name());
  line("quantization.rounding", precision.rounding.text());
  if (precision.kv_cache) line("quantization.kv_cache", kv_codec_info(*precision.kv_cache).name);
  line("data.context", context);
  line("data.batch_tokens", batch_tokens);
  line("optimizer.learning_rate", schedule.learning_rate);
  line("optimizer.beta1", optimizer.beta1);
  line("optimizer.beta2", optimizer.beta2);
  line("optimizer.epsilon", optimizer.epsilon);
  line("optimizer.weight_decay", optimizer.weight_decay);
  line("optimizer.clip_norm", optimizer.clip_norm);
  line("optimizer.accumulation", accumulation);
  line("schedule",
       fmt::format("{}, {} steps, {} of warm-up, final ratio {}, decay fraction {}",
                   static_cast<int>(schedule.kind), schedule.steps, schedule.warmup_steps,
                   schedule.final_ratio, schedule.decay_fraction));
  return out;
}

}  // namespace farthing
