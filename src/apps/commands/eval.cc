// farthing eval: perplexity on a text, and the distance from a baseline.
#include <fmt/format.h>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "engine/request.h"
#include "eval/evaluate.h"
#include "io/npy.h"
#include "workflows/free_running.h"

namespace farthing {
namespace {

struct Options {
  std::string model, text, against, save_logits;
  WindowOptions windows;
  LoadingFormat format;
  std::optional<KvCodec> kv_cache;
  int64_t free_running = 0;  // tokens; 0: not measured
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model, "The model to measure");
  list.text("--text", "FILE", options.text,
            "The text; without it a built-in excerpt of WikiText-2");
  list.integer("--tokens", options.windows.tokens, 2, int64_t{1} << 40,
               "At most so many tokens of the text");
  list.integer("-c,--context", options.windows.context, 2, 1 << 20, "Tokens of a window");
  list.text("--against", "BASE", options.against,
            "Measure KL and top-1 agreement against this model, or against logits saved as .npy");
  list.text("--save-logits", "FILE", options.save_logits,
            "Write the logits as a .npy file [windows, context, vocabulary]");
  declare_format(list, options.format);
  declare_kv_cache(list, options.kv_cache);
  list.integer(
      "--free-running", options.free_running, 0, 1 << 20,
      "With --against a model: so many tokens are written greedily by both behind the first "
      "64 of each of at most 64 windows, and compared; 0: none");
}

Result<> check(const Options& options) {
  TRY(check_format(options.format));
  if (options.free_running == 0) return {};
  if (!options.against.empty() && !options.against.ends_with(".npy")) return {};
  return fail({.what = "there is no baseline that could write",
               .where = "--free-running",
               .got = options.against.empty() ? "no --against" : "saved logits",
               .wanted = "a model to compare with",
               .remedy = "name it with --against"});
}

Result<> check_context(int64_t context_tokens, const ModelConfig& config) {
  if (context_tokens <= config.max_positions) return {};
  return fail({.what = "the windows are longer than the model's context",
               .where = "--context",
               .got = fmt::format("{} tokens", context_tokens),
               .wanted = fmt::format("at most {} tokens", config.max_positions),
               .remedy = fmt::format("use --context {}", config.max_positions)});
}

// The baseline that --against names, and what it needs to live.
struct Baseline {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Model> model;
  std::unique_ptr<Scorer> scorer;
  std::unique_ptr<BaselineLogits> logits;
};

Result<Baseline> open_baseline(Context& context, const std::string& path, const Windows& windows,
                               int64_t vocabulary) {
  Baseline out;
  if (path.ends_with(".npy")) {
    out.logits =
        std::make_unique<SavedBaseline>(TRY(SavedBaseline::open(path, windows, vocabulary)));
  } else {
    out.checkpoint = TRY(Checkpoint::open(path));
    TRY(check_context(windows.context(), out.checkpoint->config()));
    out.model = TRY(load_model(context, *out.checkpoint));
    out.scorer = std::make_unique<ModelScorer>(context, *out.model);
    out.logits = std::make_unique<RunningBaseline>(*out.scorer, windows.context());
  }
  return out;
}

struct Outcome {
  const Options& options;
  const EvaluationText& text;
  const Windows& windows;
  Quality quality;
  double seconds;
  KvCodec kv_cache;
  std::string note;
  std::optional<FreeRunning> free_running;
};

// Of the first linear that needs one.
std::string note_of(const Model& model) {
  for (const LinearInfo& linear : model.linears())
    if (std::string note = batch_note(linear.scheme); !note.empty()) return note;
  return {};
}

void write_estimate(JsonWriter& json, std::string_view name, const Estimate& estimate) {
  json.key(name).begin_object().field("value", estimate.value);
  json.field("low", estimate.low).field("high", estimate.high).end_object();
}

std::string json_text(const Outcome& o) {
  JsonWriter json(true);
  json.begin_object()
      .field("model", o.options.model)
      .field("text", o.text.name)
      .field("text_digest", o.text.digest);
  if (o.options.format.scheme) json.field("format", o.options.format.scheme->name());
  json.field("kv_cache_dtype", kv_codec_info(o.kv_cache).name);
  json.field("windows", o.windows.count())
      .field("context", o.windows.context())
      .field("stride", o.windows.context());
  json.field("bos", false).field("scored_tokens", o.windows.count() * o.windows.scored());
  write_estimate(json, "perplexity", o.quality.perplexity);
  if (!o.options.against.empty()) {
    json.field("against", o.options.against);
    write_estimate(json, "perplexity_increase", o.quality.perplexity_increase);
    write_estimate(json, "kl_mean", o.quality.kl_mean);
    write_estimate(json, "kl_p99", o.quality.kl_p99);
    write_estimate(json, "top1_agreement", o.quality.top1_agreement);
  }
  if (o.free_running) {
    json.key("free_running").begin_object().field("texts", o.free_running->windows);
    json.field("prompt_tokens", o.free_running->prompt).field("tokens", o.free_running->tokens);
    write_estimate(json, "same_text", o.free_running->same_text);
    write_estimate(json, "same_tokens", o.free_running->same_tokens);
    write_estimate(json, "same_position", o.free_running->same_position);
    write_estimate(json, "teacher_forced", o.free_running->teacher_forced);
    json.end_object();
  }
  if (!o.note.empty()) json.field("note", o.note);
  return json.field("seconds", o.seconds).end_object().take();
}

std::string text(const Outcome& o) {
  const auto row = [](const char* name, const Estimate& e, double unit, const char* format) {
    return std::vector<std::string>{name, fmt::format(fmt::runtime(format), unit * e.value),
                                    fmt::format(fmt::runtime(format), unit * e.low),
                                    fmt::format(fmt::runtime(format), unit * e.high)};
  };
  std::vector<std::vector<std::string>> rows{{"measure", "value", "from", "to"}};
  rows.push_back(row("perplexity", o.quality.perplexity, 1, "{:.4f}"));
  if (!o.options.against.empty()) {
    rows.push_back(row("perplexity increase", o.quality.perplexity_increase, 1, "{:+.4f}"));
    rows.push_back(row("KL mean, nats", o.quality.kl_mean, 1, "{:.6f}"));
    rows.push_back(row("KL 99th percentile, nats", o.quality.kl_p99, 1, "{:.6f}"));
    rows.push_back(row("top-1 agreement, %", o.quality.top1_agreement, 100, "{:.2f}"));
  }
  if (const auto& free = o.free_running) {
    rows.push_back(row("free-running: same text, %", free->same_text, 100, "{:.2f}"));
    rows.push_back(row("free-running: tokens until they part", free->same_tokens, 1, "{:.2f}"));
    rows.push_back(row("free-running: same token, %", free->same_position, 100, "{:.2f}"));
    rows.push_back(row("teacher-forced on the same texts, %", free->teacher_forced, 100, "{:.2f}"));
  }
  std::string out = o.options.model;
  if (o.kv_cache != KvCodec::f32)
    out += fmt::format(", KV cache {}", kv_codec_info(o.kv_cache).name);
  if (!o.options.against.empty()) out += " against " + o.options.against;
  out += "\n";
  out += table_text(rows);
  out += fmt::format(
      "\n{}\n{} (xxh128 {}); {:.1f} s\nfrom, to: 95 % interval, bootstrap over windows\n",
      o.windows.protocol(), o.text.name, o.text.digest, o.seconds);
  if (o.free_running)
    out += fmt::format("free-running: {} texts of at most {} tokens behind {}, greedy\n",
                       o.free_running->windows, o.free_running->tokens, o.free_running->prompt);
  if (!o.note.empty()) out += "note: " + o.note + "\n";
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  Context& context = owner->get();
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const ModelConfig& config = checkpoint->config();
  TRY(check_context(options.windows.context, config));
  std::optional<std::filesystem::path> file;
  if (!options.text.empty()) file = options.text;
  const EvaluationText evaluation_text = TRY(load_text(file));
  const Tokenizer tokenizer = TRY(checkpoint->tokenizer());
  const Windows windows =
      TRY(Windows::of_text(tokenizer, evaluation_text, options.windows, config.vocabulary_size));
  const auto model = TRY(load_model(context, *checkpoint, options.format));
  TRY(model->check_kv_cache(options.kv_cache));
  Baseline baseline;
  if (!options.against.empty())
    baseline = TRY(open_baseline(context, options.against, windows, config.vocabulary_size));

  EvaluateOptions evaluate_options{.baseline = baseline.logits.get(), .sink = {}};
  std::unique_ptr<NpyWriter> saved;
  if (!options.save_logits.empty()) {
    const Shape shape{windows.count(), windows.context(), config.vocabulary_size};
    saved = std::make_unique<NpyWriter>(TRY(NpyWriter::create(options.save_logits, shape)));
    evaluate_options.sink = [&](int64_t, View<const float, 2> logits) {
      return saved->write({logits.data, static_cast<size_t>(logits.rows * logits.columns)});
    };
  }
  const double started = now_seconds();
  ModelScorer scorer(context, *model, options.kv_cache);
  ScoredWindows scores;
  {
    ProgressBar progress;
    scores = TRY(evaluate(context, scorer, windows, evaluate_options, progress));
  }
  if (saved) TRY(saved->commit());
  std::optional<FreeRunning> free;
  if (options.free_running > 0) {
    ProgressBar progress;
    free = TRY(free_running(context, *model, *baseline.model, windows,
                            {.tokens = options.free_running,
                             .kv_cache = options.kv_cache,
                             .stop_tokens = stop_tokens_of(config, tokenizer)},
                            progress));
  }
  const Outcome outcome{
      options,           evaluation_text,         windows,
      summarize(scores), now_seconds() - started, model->kv_codec(options.kv_cache),
      note_of(*model),   std::move(free)};
  return print(common.json ? json_text(outcome) : text(outcome));
}

}  // namespace

Command eval_command() {
  return make_command<Options>(
      {.name = "eval",
       .summary = "measures perplexity, and the distance from a baseline",
       .details = "Cuts the text into windows without overlap, each scored with an empty context "
                  "and without BOS. With\n"
                  "--against also KL divergence from the baseline and how often both have the same "
                  "most likely token.",
       .example = "  farthing eval models/stories260k --tokens 4096 --context 256\n"
                  "  farthing eval /tmp/stories-int4 --against models/stories260k --tokens 4096 "
                  "--context 256"},
      declare, run, check);
}

}  // namespace farthing
