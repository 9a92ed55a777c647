// farthing train: trains a model in the number format that it will be served in.
#include <fmt/format.h>

#include <cmath>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "train/train.h"

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
  list.required("-o,--output", "DIR", options.output,
                "The run's folder: metrics.jsonl, states, and the trained model in DIR/model");
  list.text("--data", "FILE", options.data,
            "Takes the place of the recipe's sources: .txt, .jsonl or .json");
  list.text("--evaluation", "FILE", options.evaluation,
            "Takes the place of the recipe's held-out text");
  list.flag("--resume", options.resume, "Goes on from the run's youngest state, if there is one");
}

std::string json_text(const TrainResult& result) {
  JsonWriter json(true);
  json.begin_object().field("model", result.model.string());
  if (result.evaluation_after != 0)
    json.field("evaluation_loss_before", result.evaluation_before)
        .field("evaluation_loss", result.evaluation_after);
  json.key("steps").begin_array();
  for (const TrainStep& s : result.steps) {
    json.begin_object().field("step", s.step).field("loss", s.loss);
    json.field("gradient_norm", s.gradient_norm).field("tokens", s.tokens);
    json.field("seconds", s.seconds).end_object();
  }
  return json.end_array().end_object().take();
}

std::string text(const TrainResult& result) {
  std::string out;
  if (!result.steps.empty()) {
    double tokens = 0, seconds = 0;
    for (const TrainStep& s : result.steps) {
      tokens += static_cast<double>(s.tokens);
      seconds += s.seconds;
    }
    const TrainStep& last = result.steps.back();
    out += fmt::format("{} steps to step {}, {:.0f} tokens at {:.0f} a second; loss {:.4f}\n",
                       result.steps.size(), last.step, tokens, tokens / seconds, last.loss);
  }
  if (result.evaluation_after != 0)
    out += fmt::format("held-out perplexity {:.4f} -> {:.4f}\n", std::exp(result.evaluation_before),
                       std::exp(result.evaluation_after));
  return out + fmt::format("{}: every command reads it as MODEL\n", result.model.string());
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const Recipe recipe = TRY(Recipe::read(options.recipe, options.data, options.evaluation));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  TrainResult result;
  {
    ProgressBar progress;
    result = TRY(train(owner->get(), *checkpoint, recipe,
                       {.run = options.output, .resume = options.resume}, progress));
  }
  return print(common.json ? json_text(result) : text(result));
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
           "and the result is the same, byte for byte.",
       .example = "  farthing train models/stories260k --recipe recipes/int4_qat.toml -o /tmp/run"},
      declare, run);
}

}  // namespace farthing
