// farthing align: whether training and serving, or two models, compute the same log-probabilities.
#include <fmt/format.h>

#include <algorithm>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "workflows/align.h"

namespace farthing {
namespace {

Result<KvCodec> parse_kv_codec(const std::string& name) {
  if (const auto codec = find_kv_codec(name)) return *codec;
  return fail({.what = "unknown type of KV cache",
               .where = "--kv-cache-dtype",
               .got = name,
               .wanted = "one of " + kv_codec_names(),
               .remedy = "correct the name"});
}

struct Options {
  std::string model, text, against;
  WindowOptions windows{.tokens = 1024, .context = 128};
  KvCodec kv_cache = KvCodec::f32;
  float clip = 0.2f, bound = 0;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "TRAINED", options.model, "The model to measure");
  list.text("--against", "MODEL|LOGPROBS.npy", options.against,
            "Another model, or saved log-probabilities; without it training against serving");
  list.text("--text", "FILE", options.text,
            "The text; without it a built-in excerpt of WikiText-2");
  list.integer("--tokens", options.windows.tokens, 2, int64_t{1} << 40,
               "At most so many tokens of the text");
  list.integer("-c,--context", options.windows.context, 2, 1 << 20, "Tokens of a window");
  list.parsed("--kv-cache-dtype", "TYPE", options.kv_cache, parse_kv_codec,
              "Type of keys and values in the cache; f32 where it is not given");
  list.number("--clip", options.clip, 0, 1, "Ratios outside 1 - X .. 1 + X count as clipped");
  list.number("--bound", options.bound, 0, 1e9f, "The largest |d log p| that succeeds");
}

std::string json_text(const Options& o, const Windows& windows,
                      const std::vector<Alignment>& pairs) {
  JsonWriter json(true);
  json.begin_object().field("model", o.model).field("against", o.against);
  json.field("windows", windows.count()).field("context", windows.context());
  json.field("kv_cache", kv_codec_info(o.kv_cache).name).field("clip", o.clip);
  json.field("bound", o.bound).key("pairs").begin_array();
  for (const Alignment& a : pairs) {
    json.begin_object().field("name", a.name).field("tokens", a.tokens);
    json.field("mean", a.mean).field("max", a.max).field("deviation", a.deviation);
    json.field("k3_mean", a.k3_mean).field("k3_max", a.k3_max);
    json.field("clip_fraction", a.clip_fraction).field("ratio_mean", a.ratio_mean);
    json.field("logits_compared", a.logits_compared).field("equal_bits", a.equal_bits).end_object();
  }
  return json.end_array().end_object().take();
}

std::string text(const Options& o, const Windows& windows, const std::vector<Alignment>& pairs) {
  std::vector<std::vector<std::string>> rows{{"pair", "tokens", "mean |d|", "max |d|", "sd |d|",
                                              "k3 mean", "k3 max", "clipped, %", "mean r",
                                              "equal bits"}};
  for (const Alignment& a : pairs)
    rows.push_back({a.name, std::to_string(a.tokens), fmt::format("{:.3g}", a.mean),
                    fmt::format("{:.3g}", a.max), fmt::format("{:.3g}", a.deviation),
                    fmt::format("{:.3g}", a.k3_mean), fmt::format("{:.3g}", a.k3_max),
                    fmt::format("{:.2f}", 100 * a.clip_fraction),
                    fmt::format("{:.6f}", a.ratio_mean), a.equal_bits ? "yes" : "no"});
  return table_text(rows) +
         fmt::format("\n{}\nd: difference of log p(next token), nats\n", windows.protocol());
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  Context& context = owner->get();
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const ModelConfig& config = checkpoint->config();
  std::unique_ptr<Checkpoint> other;
  const bool saved = options.against.ends_with(".npy");
  if (!options.against.empty() && !saved) other = TRY(Checkpoint::open(options.against));
  const int64_t longest =
      other ? std::min(config.max_positions, other->config().max_positions) : config.max_positions;
  if (options.windows.context > longest)
    return fail({.what = "the windows are longer than the model's context",
                 .where = "--context",
                 .got = fmt::format("{} tokens", options.windows.context),
                 .wanted = fmt::format("at most {} tokens", longest),
                 .remedy = fmt::format("use --context {}", longest)});
  std::optional<std::filesystem::path> file;
  if (!options.text.empty()) file = options.text;
  const Windows windows = TRY(Windows::of_text(TRY(checkpoint->tokenizer()), TRY(load_text(file)),
                                               options.windows, config.vocabulary_size));
  const AlignOptions align{.kv_cache = options.kv_cache,
                           .clip = options.clip,
                           .threads = static_cast<int>(common.threads)};
  std::vector<Alignment> pairs;
  if (options.against.empty()) {
    pairs = TRY(align_own(*checkpoint, windows, align));
  } else {
    const auto a = TRY(load_model(context, *checkpoint));
    if (saved) {
      pairs.push_back(TRY(align_saved(context, *a, options.against, windows, align)));
    } else {
      const auto b = TRY(load_model(context, *other));
      pairs.push_back(TRY(align_models(context, *a, *b, windows, align)));
    }
  }
  TRY(print(common.json ? json_text(options, windows, pairs) : text(options, windows, pairs)));
  double largest = 0;
  bool within = true;
  for (const Alignment& a : pairs) {
    // a bound of 0 asks for equal bits; a NaN is within no bound
    within &= a.max <= static_cast<double>(options.bound) &&
              (options.bound > 0 || !a.logits_compared || a.equal_bits);
    largest = a.max > largest || a.max - a.max != 0 ? a.max : largest;
  }
  if (within) return {};
  return fail({.what = "the log-probabilities are further apart than the bound",
               .where = options.model,
               .got = fmt::format("|d log p| up to {:.3g}", largest),
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
           "engine's.\nSucceeds only where no next token's log-probability differs by more "
           "than --bound.",
       .example = "  farthing align models/stories260k --tokens 512 --context 128\n"
                  "  farthing align models/stories260k --against logprobs.npy --bound 1e-4"},
      declare, run);
}

}  // namespace farthing
