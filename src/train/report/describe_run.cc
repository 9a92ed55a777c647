// Facts about model, data and machine, in words.
#include "train/report/describe_run.h"

#include <fmt/format.h>

namespace farthing {
namespace {

std::string sizes_text(const ModelConfig& c, const TrainedModel& model) {
  int64_t count = 0;
  for (const auto& p : model.parameters()) count += p->value.shape().elements();
  return fmt::format(
      "{}: {} layers, hidden size {}, {} heads ({} of keys and values), MLP {}, vocabulary {}{}; "
      "{:.3g} million parameters",
      c.architecture, c.layers, c.hidden_size, c.heads, c.kv_heads, c.intermediate_size,
      c.vocabulary_size, c.tied_embeddings() ? " (tied)" : "", static_cast<double>(count) / 1e6);
}

}  // namespace

TrainReport describe_run(const Context& context, const Checkpoint& from, const Recipe& recipe,
                         const TrainedModel& model, const std::string& settings) {
  TrainReport out;
  out.model = from.path().string();
  out.scheme = fmt::format("{}, keys and values in {}", recipe.precision.linears.name(),
                           kv_codec_info(model.kv_codec()).name);
  out.planned_steps = recipe.schedule.steps;
  out.facts = {{"Model", fmt::format("{} ({})", out.model, from.kind())},
               {"Sizes", sizes_text(from.config(), model)}};
  for (const DataSource& source : recipe.data)
    out.facts.emplace_back(
        "Data", recipe.data.size() == 1
                    ? fmt::format("{} ({})", source.path, source.kind)
                    : fmt::format("{} ({}, weight {})", source.path, source.kind, source.weight));
  if (!recipe.evaluation_path.empty())
    out.facts.emplace_back(
        "Held-out text",
        fmt::format("{}, at most {} tokens, every {} steps", recipe.evaluation_path,
                    recipe.evaluation_tokens, recipe.evaluation_every));
  out.facts.emplace_back("Machine", fmt::format("{}, {} kernels, {} threads", cpu_model(),
                                                isa_name(context.isa), context.pool.size()));
  constexpr std::string_view between = " = ";
  for (size_t begin = 0; begin < settings.size();) {
    const size_t end = std::min(settings.find('\n', begin), settings.size());
    const std::string line = settings.substr(begin, end - begin);
    begin = end + 1;
    const size_t at = line.find(between);
    if (at != std::string::npos)
      out.settings.emplace_back(line.substr(0, at), line.substr(at + between.size()));
  }
  return out;
}

}  // namespace farthing
