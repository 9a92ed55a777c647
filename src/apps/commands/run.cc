// farthing run: continues a prompt, token by token.
#include <fmt/format.h>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "apps/prompt.h"
#include "base/json_writer.h"
#include "engine/generate.h"

namespace farthing {
namespace {

struct Options {
  std::string model;
  PromptOptions prompt;
  int64_t most_tokens = 128, seed = 0;
  bool ignore_eos = false;
  std::optional<KvCodec> kv_cache_dtype;
  LoadingFormat format;
  // What llama.cpp's programs begin with.
  SamplingParameters sampling{
      .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repetition_window = 64};
};

void declare(OptionList& list, Options& options) {
  SamplingParameters& sampling = options.sampling;
  list.required("model,-m,--model", "MODEL", options.model, "The model to run");
  declare_prompt(list, options.prompt, "continue");
  list.integer("-n,--n-predict,--max-tokens", options.most_tokens, -1, 1 << 30,
               "At most so many tokens; -1: until the text ends or the context is full");
  list.number("--temp,--temperature", sampling.temperature, 0, 1000,
              "0: always the most probable token");
  list.integer("--top-k", sampling.top_k, 0, 1 << 30, "Only the k most probable tokens; 0: all");
  list.number("--top-p", sampling.top_p, 1e-6f, 1,
              "Only the most probable tokens that together reach this; 1: all");
  list.number("--min-p", sampling.min_p, 0, 1,
              "Only tokens at least this likely relative to the best; 0: all");
  list.number("--repeat-penalty,--repetition-penalty", sampling.repetition_penalty, 1e-3f, 1000,
              "Makes tokens that occurred less likely; 1: off");
  list.integer("--repeat-last-n", sampling.repetition_window, -1, 1 << 30,
               "Tokens that the penalty looks back; -1: all");
  list.integer("-s,--seed", options.seed, 0, INT64_MAX, "The same seed gives the same text");
  list.flag("--ignore-eos", options.ignore_eos, "Go on after the end of the text");
  declare_format(list, options.format);
  declare_kv_cache(list, options.kv_cache_dtype);
}

Result<> check(const Options& options) {
  TRY(check_format(options.format));
  return check_prompt(options.prompt);
}

double rate(size_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

// Tokens after the first are made by decode steps; the first comes out of the prompt's step.
size_t decode_steps(const Generation& made) {
  const size_t sampled = made.tokens.size() + (made.finish == Finish::stop_token ? 1 : 0);
  return sampled > 0 ? sampled - 1 : 0;
}

std::string json_text(const std::string& prompt, size_t prompt_tokens, const std::string& text,
                      const Generation& made) {
  JsonWriter json(true);
  json.begin_object()
      .field("prompt", prompt)
      .field("text", text)
      .field("finish", finish_name(made.finish));
  json.key("tokens").begin_array();
  for (const SampledToken& token : made.tokens) json.value(token.id);
  json.end_array().key("logprobs").begin_array();
  for (const SampledToken& token : made.tokens) json.value(token.log_probability);
  json.end_array().key("timings").begin_object();
  json.field("prompt_tokens", prompt_tokens).field("prompt_seconds", made.prompt_seconds);
  json.field("prompt_tokens_per_second", rate(prompt_tokens, made.prompt_seconds));
  json.field("decode_steps", decode_steps(made)).field("decode_seconds", made.decode_seconds);
  json.field("decode_tokens_per_second", rate(decode_steps(made), made.decode_seconds));
  return json.end_object().end_object().take();
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  Context& context = owner->get();
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const Tokenizer tokenizer = TRY(checkpoint->tokenizer());
  const std::string prompt = TRY(read_prompt(options.prompt));
  std::vector<int32_t> tokens = tokenizer.encode(prompt, {.add_special_tokens = true});
  if (tokens.empty() && tokenizer.bos_id()) tokens.push_back(*tokenizer.bos_id());
  const auto model = TRY(load_model(context, *checkpoint, options.format, PackTime::later));

  const size_t prompt_tokens = tokens.size();
  Request request{.prompt = std::move(tokens),
                  .sampling = options.sampling,
                  .most_tokens = options.most_tokens < 0 ? INT64_MAX : options.most_tokens,
                  .stop_tokens = {}};
  if (!options.ignore_eos) request.stop_tokens = stop_tokens_of(model->config(), tokenizer);
  request.sampling.seed = static_cast<uint64_t>(options.seed);
  StreamDecoder decoder(tokenizer, !prompt.empty());
  std::string text;
  Result<> printed;
  const auto take = [&](const std::string& piece) {
    text += piece;
    if (!common.json && !piece.empty()) printed = print(piece);
    return printed.has_value();
  };
  const auto take_token = [&](const SampledToken& token) {
    const bool goes_on = take(decoder.feed(token.id));
    // The prompt does not wait for it: packing takes longer than reading the weights once.
    if (goes_on && options.most_tokens != 1) model->finish_packing(context);
    return goes_on;
  };
  const Generation made =
      TRY(generate(context, *model, std::move(request), take_token, options.kv_cache_dtype));
  if (printed) take(decoder.finish());
  TRY(printed);
  if (common.json) return print(json_text(prompt, prompt_tokens, text, made));
  TRY(print("\n"));
  tell(fmt::format(
      "prompt: {} tokens, {:.1f} tokens/s; decode: {} tokens, {:.1f} tokens/s; ended by {}\n",
      prompt_tokens, rate(prompt_tokens, made.prompt_seconds), decode_steps(made),
      rate(decode_steps(made), made.decode_seconds), finish_name(made.finish)));
  return {};
}

}  // namespace

Command run_command() {
  return make_command<Options>(
      {.name = "run",
       .summary = "continues a prompt with a model",
       .details = "Prints the continuation as it is made, and the speed on standard error. The "
                  "same seed gives the same "
                  "text on\nevery machine, whatever the number of threads. Without a prompt the "
                  "text begins with BOS.",
       .example = "  farthing run models/stories260k -p \"Once upon a time\" -n 100 --temp 0"},
      declare, run, check);
}

}  // namespace farthing
