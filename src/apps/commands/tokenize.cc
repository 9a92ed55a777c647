// farthing tokenize: a text as tokens, and tokens as a text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "apps/command_line.h"
#include "apps/output.h"
#include "apps/prompt.h"
#include "base/json_writer.h"
#include "model/open_tokenizer.h"
#include "text/pipeline/spec.h"

namespace farthing {
namespace {

struct Options {
  std::string model;
  PromptOptions prompt;
  std::vector<std::string> decode;
  bool ids = false, count = false, no_special = false, no_parse = false;
  int64_t repeat = 1;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model,
                "A model, or a tokenizer alone: tokenizer.json, tokenizer.model, vocab.txt");
  declare_prompt(list, options.prompt, "tokenize");
  list.list("--decode", "IDS", options.decode, "Print the text of these tokens: 1,2,3");
  list.flag("--ids", options.ids, "Only the ids, as a list");
  list.flag("--show-count", options.count, "The number of tokens too");
  list.flag("--no-bos", options.no_special, "Without the tokens that the model puts around a text");
  list.flag("--no-parse-special", options.no_parse,
            "Special tokens that are written out in the text are ordinary text");
  list.integer("--repeat", options.repeat, 1, 1 << 20,
               "Encode so often, and report the seconds of the fastest time");
}

Result<> check(const Options& options) {
  if (!options.decode.empty() && !(options.prompt.text.empty() && options.prompt.file.empty()))
    return fail({.what = "a text and tokens were given",
                 .where = "--decode and --prompt or --file",
                 .got = "both",
                 .wanted = "one of them",
                 .remedy = "leave one away"});
  return check_prompt(options.prompt);
}

Result<std::vector<int32_t>> parse_ids(const std::vector<std::string>& words,
                                       const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const std::string& word : words) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id < 0 ||
        id >= tokenizer.vocab_size())
      return fail({.what = "there is no such token",
                   .where = "--decode",
                   .got = fmt::format("\"{}\"", word),
                   .wanted = fmt::format("ids from 0 to {}", tokenizer.vocab_size() - 1),
                   .remedy = "give ids of the vocabulary, separated by commas"});
    ids.push_back(id);
  }
  return ids;
}

struct Encoded {
  std::vector<int32_t> ids;
  double seconds = 0;  // of the fastest time
};

Encoded encode(const Tokenizer& tokenizer, const std::string& text, const Options& options) {
  const EncodeOptions how{.add_special_tokens = !options.no_special,
                          .parse_special = !options.no_parse};
  Encoded out;
  for (int64_t i = 0; i < options.repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    out.ids = tokenizer.encode(text, how);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    out.seconds = i == 0 ? took.count() : std::min(out.seconds, took.count());
  }
  return out;
}

std::string json_text(const Tokenizer& tokenizer, const std::string& text, const Encoded& encoded) {
  JsonWriter json(true);
  json.begin_object().field("kind", tokenizer.spec().kind);
  json.field("vocabulary_size", tokenizer.vocab_size()).field("bytes", text.size());
  json.field("count", encoded.ids.size()).field("seconds", encoded.seconds);
  json.key("ids").begin_array();
  for (const int32_t id : encoded.ids) json.value(id);
  json.end_array().key("tokens").begin_array();
  for (const int32_t id : encoded.ids) json.value(tokenizer.token_text(id));
  return json.end_array().end_object().take();
}

std::string plain_text(const Tokenizer& tokenizer, const Encoded& encoded, const Options& options) {
  std::string out;
  if (options.ids) {
    out = fmt::format("[{}]\n", fmt::join(encoded.ids, ", "));
  } else {
    for (const int32_t id : encoded.ids)
      out += fmt::format("{:8} -> '{}'\n", id, tokenizer.token_text(id));
  }
  if (options.count) out += fmt::format("{} tokens\n", encoded.ids.size());
  if (options.repeat > 1)
    out += fmt::format("{:.6f} s at best of {}\n", encoded.seconds, options.repeat);
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  const Tokenizer tokenizer = TRY(open_tokenizer(options.model));
  if (!options.decode.empty()) {
    const std::string text =
        tokenizer.decode(TRY(parse_ids(options.decode, tokenizer)), {.skip_special_tokens = false});
    if (!common.json) return print(text + "\n");
    return print(JsonWriter(true).begin_object().field("text", text).end_object().take());
  }
  const std::string text = TRY(read_prompt(options.prompt));
  const Encoded encoded = encode(tokenizer, text, options);
  return print(common.json ? json_text(tokenizer, text, encoded)
                           : plain_text(tokenizer, encoded, options));
}

}  // namespace

Command tokenize_command() {
  return make_command<Options>(
      {.name = "tokenize",
       .summary = "shows a text as tokens, and tokens as a text",
       .details = "Needs no weights. Tokens are printed as the vocabulary spells them: in "
                  "byte-level ones \"Ġ\" is a space,\nin SentencePiece's \"▁\".",
       .example = "  farthing tokenize models/stories260k -p \"Once upon a time\"\n"
                  "  farthing tokenize models/stories260k --decode 403,407,261"},
      declare, run, check);
}

}  // namespace farthing
