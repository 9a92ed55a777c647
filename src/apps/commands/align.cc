// farthing align: whether training and serving, or two models, compute the same log-probabilities.
#include "workflows/align/align.h"

#include <fmt/format.h>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"

namespace farthing {
namespace {

struct Options {
  AlignOptions align;
  std::string model, text, report;
  float clip = 0.2f, bound = 0;
};

void declare(OptionList& list, Options& options) {
  AlignOptions& align = options.align;
  list.required("model,-m,--model", "TRAINED", options.model, "The model to measure");
  list.text("--against", "MODEL|LOGPROBS.npy", align.against,
            "Another model, or saved log-probabilities; without it training against serving");
  list.text("--text", "FILE", options.text,
            "The text; without it a built-in excerpt of WikiText-2");
  list.integer("--tokens", align.windows.tokens, 2, int64_t{1} << 40,
               "At most so many tokens of the text");
  list.integer("-c,--context", align.windows.context, 2, 1 << 20, "Tokens of a window");
  declare_kv_cache(list, align.kv_cache);
  list.number("--clip", options.clip, 0, 1, "Ratios outside 1 - X .. 1 + X count as clipped");
  list.number("--bound", options.bound, 0, 1e9f, "The largest |d log p| that succeeds");
  list.text("--report", "DIR|FILE.html", options.report,
            "A page with the distribution, every operator and every token; in a folder beside "
            "report.json");
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  AlignOptions align_options = options.align;
  align_options.model = options.model;
  align_options.clip = options.clip;
  align_options.bound = options.bound;
  if (!options.text.empty()) align_options.text = options.text;
  if (!options.report.empty()) align_options.report = options.report;
  AlignReport report;
  {
    ProgressBar progress;
    report = TRY(align(owner->get(), align_options, progress));
  }
  TRY(print(common.json ? align_json(report) : align_text(report)));
  if (report.within()) return {};
  return fail({.what = "the log-probabilities are further apart than the bound",
               .where = options.model,
               .got = fmt::format("|d log p| up to {:.3g}", report.measured.worst().max),
               .wanted = fmt::format("at most {:.3g}", options.bound),
               .remedy = "look for the cause, or allow the difference with --bound"});
}

}  // namespace

Command align_command() {
  return make_command<Options>(
      {.name = "align",
       .summary = "compares log-probabilities of training and serving, or of two models",
       .details =
           "Alone: the forward pass that training records, over packed sequences, against the "
           "engine's. Compares every\noperator's output, too, and names the first that differs.\n"
           "Succeeds only where no next token's log-probability differs by more than --bound.",
       .example = "  farthing align models/stories260k --tokens 512 --context 128\n"
                  "  farthing align models/stories260k --against logprobs.npy --bound 1e-4 "
                  "--report align.html"},
      declare, run);
}

}  // namespace farthing
