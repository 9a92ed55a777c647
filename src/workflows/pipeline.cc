// Training, then the stages on the directory that it wrote.
#include "workflows/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/engine.h"

namespace farthing {
namespace {

Result<std::vector<std::vector<int32_t>>> prompt_tokens(const ServeStage& stage,
                                                        const Tokenizer& tokenizer,
                                                        const ModelConfig& config) {
  std::vector<std::vector<int32_t>> out;
  for (const std::string& prompt : stage.prompts) {
    out.push_back(tokenizer.encode(prompt, {.add_special_tokens = true}));
    if (const auto checked = check_prompt(out.back(), config); !checked) {
      Error error = checked.error();
      error.where = fmt::format("serve.prompts, \"{}\"", prompt);
      return fail(std::move(error));
    }
  }
  return out;
}

Result<std::vector<ServedText>> serve(Context& context, const Model& model,
                                      const Tokenizer& tokenizer, const Recipe& recipe,
                                      std::vector<std::vector<int32_t>> prompts) {
  const auto engine =
      TRY(Engine::create(context, model, {.kv_cache_dtype = recipe.precision.kv_cache}));
  const std::vector<int32_t> stop_tokens = stop_tokens_of(model.config(), tokenizer);
  std::vector<ServedText> out;
  std::vector<RequestId> ids;
  std::vector<StreamDecoder> decoders;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::string& prompt = recipe.serve->prompts[i];
    out.push_back({.prompt = prompt, .text = {}});
    decoders.emplace_back(tokenizer, !prompt.empty());
    ids.push_back(TRY(engine->submit({.prompt = std::move(prompts[i]),
                                      .sampling = {.temperature = 0},
                                      .most_tokens = recipe.serve->max_tokens,
                                      .stop_tokens = stop_tokens})));
  }
  while (!engine->idle()) {
    for (const RequestOutput& output : engine->step()) {
      if (output.error != nullptr) return fail(*output.error);
      const auto i =
          static_cast<size_t>(std::find(ids.begin(), ids.end(), output.id) - ids.begin());
      if (!output.has_token) continue;
      ++out[i].tokens;
      out[i].text += decoders[i].feed(output.token.id);
    }
  }
  for (size_t i = 0; i < out.size(); ++i) out[i].text += decoders[i].finish();
  return out;
}

Result<Windows> windows_of(const Recipe& recipe, const Tokenizer& tokenizer,
                           const ModelConfig& config) {
  const AlignStage& stage = *recipe.align;
  if (stage.context > config.max_positions)
    return fail({.what = "the windows are longer than the model's context",
                 .where = "align.context",
                 .got = fmt::format("{} tokens", stage.context),
                 .wanted = fmt::format("at most {} tokens", config.max_positions),
                 .remedy = "lower it in the recipe"});
  std::optional<std::filesystem::path> file;
  if (!recipe.evaluation_path.empty()) file = recipe.evaluation_path;
  return Windows::of_text(tokenizer, TRY(load_text(file)),
                          {.tokens = stage.tokens, .context = stage.context},
                          config.vocabulary_size);
}

}  // namespace

bool PipelineResult::aligned() const {
  return std::all_of(alignments.begin(), alignments.end(),
                     [](const Alignment& a) { return a.equal(); });
}

double PipelineResult::largest_difference() const {
  double out = 0;
  for (const Alignment& a : alignments)
    if (a.max > out || std::isnan(a.max)) out = a.max;
  return out;
}

Result<PipelineResult> run_pipeline(Context& context, Checkpoint& from, const Recipe& recipe,
                                    const TrainOptions& options, Progress& progress) {
  const Tokenizer tokenizer = TRY(from.tokenizer());
  ModelConfig config = from.config();
  if (recipe.model) config.max_positions = recipe.model->max_positions;
  std::vector<std::vector<int32_t>> prompts;
  if (recipe.serve) prompts = TRY(prompt_tokens(*recipe.serve, tokenizer, config));
  std::optional<Windows> windows;
  if (recipe.align) windows = TRY(windows_of(recipe, tokenizer, config));

  PipelineResult out;
  out.trained = TRY(train(context, from, recipe, options, progress));
  if (!recipe.serve && !recipe.align) return out;
  const auto written = TRY(Checkpoint::open(out.trained.model));
  if (recipe.serve) {
    NoProgress quiet;
    const auto model = TRY(build_model(context, written->config(), *written, quiet));
    out.served = TRY(serve(context, *model, tokenizer, recipe, std::move(prompts)));
  }
  if (windows) {
    AlignedPairs pairs = TRY(align_trained(
        out.trained.trained->model(), *written, *windows,
        {.kv_cache = recipe.precision.kv_cache, .threads = context.pool.size()}, progress));
    out.alignments = std::move(pairs.pairs);
  }
  return out;
}

}  // namespace farthing
