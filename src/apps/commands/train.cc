// farthing train: trains a model in the number format that it will be served in.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "workflows/pipeline.h"

namespace farthing {
namespace {

struct Options {
  std::string model, recipe, output, data, evaluation;
  bool resume = false;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model,
                "The model to train; in mode pretrain only its tokenizer and architecture count");
  list.required("--recipe", "FILE.toml", options.recipe, "What is trained, and how");
  list.required(
      "-o,--output", "DIR", options.output,
      "The run's folder: report.html, metrics.jsonl, states, and the trained model in DIR/model");
  list.text("--data", "FILE", options.data,
            "Takes the place of the recipe's sources: .jsonl or .json, .bin (token ids), else a "
            "text");
  list.text("--evaluation", "FILE", options.evaluation,
            "Takes the place of the recipe's held-out text");
  list.flag("--resume", options.resume, "Goes on from the run's youngest state, if there is one");
}

// The directory's files, bytes.
int64_t exported_bytes(const std::filesystem::path& model) {
  int64_t out = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(model, ignored))
    if (entry.path().extension() == ".safetensors")
      out += static_cast<int64_t>(entry.file_size(ignored));
  return out;
}

std::string json_text(const PipelineResult& result) {
  const TrainResult& trained = result.trained;
  JsonWriter json(true);
  json.begin_object().field("model", trained.model.string());
  json.field("report", trained.report.string());
  json.field("model_bytes", exported_bytes(trained.model));
  if (trained.evaluation_after != 0)
    json.field("evaluation_loss_before", trained.evaluation_before)
        .field("evaluation_loss", trained.evaluation_after);
  json.key("steps").begin_array();
  for (const TrainStep& s : trained.steps) {
    json.begin_object().field("step", s.step).field("loss", s.loss);
    json.field("gradient_norm", s.gradient_norm).field("learning_rate", s.learning_rate);
    json.field("tokens", s.tokens).field("seconds", s.seconds);
    if (s.evaluation_loss) json.field("evaluation_loss", *s.evaluation_loss);
    json.end_object();
  }
  json.end_array();
  if (!result.served.empty()) {
    json.key("served").begin_array();
    for (const ServedText& s : result.served) {
      json.begin_object().field("prompt", s.prompt).field("text", s.text);
      json.field("tokens", s.tokens).end_object();
    }
    json.end_array();
  }
  if (!result.alignments.empty()) {
    json.key("alignment").begin_object().field("equal_bits", result.aligned());
    json.field("max", result.largest_difference()).key("pairs").begin_array();
    for (const Alignment& a : result.alignments) {
      json.begin_object().field("name", a.name).field("tokens", a.tokens).field("max", a.max);
      json.field("equal_bits", a.equal_bits).end_object();
    }
    json.end_array().end_object();
  }
  return json.end_object().take();
}

std::string steps_text(const TrainResult& result) {
  if (result.steps.empty()) return "no step was left to do\n";
  double tokens = 0, seconds = 0;
  for (const TrainStep& s : result.steps) {
    tokens += static_cast<double>(s.tokens);
    seconds += s.seconds;
  }
  const TrainStep& last = result.steps.back();
  return fmt::format("{} steps to step {}, {} tokens at {:.0f} a second; loss {:.4f}\n",
                     result.steps.size(), last.step, count_text(static_cast<int64_t>(tokens)),
                     tokens / seconds, last.loss);
}

std::string text(const PipelineResult& result) {
  const TrainResult& trained = result.trained;
  std::string out = steps_text(trained);
  if (trained.evaluation_after != 0)
    out += fmt::format("held-out perplexity {:.4f} -> {:.4f}\n",
                       std::exp(trained.evaluation_before), std::exp(trained.evaluation_after));
  out += fmt::format("{}: its curves\n", trained.report.string());
  out += fmt::format("{}: every command reads it as MODEL; {}\n", trained.model.string(),
                     size_text(static_cast<double>(exported_bytes(trained.model))));
  for (const ServedText& s : result.served)
    out += fmt::format("\nserved, {} tokens:\n{}\u2502{}\n", s.tokens, s.prompt, s.text);
  if (!result.alignments.empty()) {
    const Alignment& first = result.alignments.front();
    out += fmt::format(
        "\ntrainer against engine: {} tokens, {} ways to serve (chunks, threads, instruction "
        "sets); largest |d log p| {:.3g}, bits {}\n",
        first.tokens, result.alignments.size(), result.largest_difference(),
        result.aligned() ? "equal" : "different");
  }
  return out;
}

Result<> check_aligned(const PipelineResult& result) {
  if (result.aligned()) return {};
  const auto& ways = result.alignments;
  const auto differs = [](const Alignment& a) { return !a.equal_bits || a.max != 0; };
  return fail({.what = "trainer and engine do not compute the same bits",
               .where = result.trained.model.string(),
               .got = fmt::format("|d log p| up to {:.3g}, by {} of {} ways to serve: {}, ...",
                                  result.largest_difference(),
                                  std::count_if(ways.begin(), ways.end(), differs), ways.size(),
                                  std::find_if(ways.begin(), ways.end(), differs)->name),
               .wanted = "no difference",
               .remedy = "this is a fault of the program; please report it with the recipe"});
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const Recipe recipe = TRY(Recipe::read(options.recipe, options.data, options.evaluation));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  PipelineResult result;
  {
    ProgressBar progress;
    result = TRY(run_pipeline(owner->get(), *checkpoint, recipe,
                              {.run = options.output, .resume = options.resume}, progress));
  }
  TRY(print(common.json ? json_text(result) : text(result)));
  return check_aligned(result);
}

}  // namespace

Command train_command() {
  return make_command<Options>(
      {.name = "train",
       .summary = "trains a model in the number format that it will be served in",
       .details =
           "Modes pretrain, finetune, qat (docs/training.md). Each forward pass encodes the "
           "weights into the real codes\n"
           "and runs the kernels that serve; what is written are those codes. Stopped at any "
           "instant, --resume goes on,\n"
           "and the result is the same, byte for byte. A recipe may also ask to serve what was "
           "written and to compare\ntrainer and engine: where one bit differs, the command fails.",
       .example = "  farthing train models/stories260k --recipe recipes/int4_qat.toml -o /tmp/run\n"
                  "  farthing train models/stories260k --recipe recipes/int4_pipeline.toml -o "
                  "/tmp/run4"},
      declare, run);
}

}  // namespace farthing
