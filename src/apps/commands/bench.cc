// farthing bench: how many tokens a second a model reads and writes.
#include <fmt/format.h>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "eval/speed.h"

namespace farthing {
namespace {

struct Options {
  std::string model;
  LoadingFormat format;
  std::optional<KvCodec> kv_cache;
  int64_t prompt_tokens = 512, decode_tokens = 128, repetitions = 3;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model, "The model to run");
  declare_format(list, options.format);
  list.integer("-p,--n-prompt", options.prompt_tokens, 1, 1 << 20, "Tokens of the prompt");
  list.integer("-n,--n-gen", options.decode_tokens, 1, 1 << 20, "Tokens written behind it");
  list.integer("-r,--repetitions", options.repetitions, 1, 1000,
               "Runs; the median counts, after a short one to warm up");
  declare_kv_cache(list, options.kv_cache);
}

Result<> check(const Options& options) { return check_format(options.format); }

void write_rate(JsonWriter& json, std::string_view name, const Rate& rate) {
  json.field(name, rate.median).key(fmt::format("{}_range", name));
  json.begin_array().value(rate.slowest).value(rate.fastest).end_array();
}

std::vector<std::string> row(std::string test, const Rate& rate) {
  return {std::move(test), fmt::format("{:.1f}", rate.median), fmt::format("{:.1f}", rate.slowest),
          fmt::format("{:.1f}", rate.fastest)};
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const auto model = TRY(load_model(owner->get(), *checkpoint, options.format));
  TRY(model->check_kv_cache(options.kv_cache));
  int64_t bytes = 0;
  for (const LinearInfo& linear : model->linears()) bytes += linear.bytes;
  const Speed speed = measure_speed(owner->get(), *model,
                                    {.prompt_tokens = options.prompt_tokens,
                                     .decode_tokens = options.decode_tokens,
                                     .runs = static_cast<int>(options.repetitions),
                                     .kv_cache = options.kv_cache});
  const std::string_view kv_cache = kv_codec_info(model->kv_codec(options.kv_cache)).name;
  if (common.json) {
    JsonWriter json(true);
    json.begin_object().field("model", options.model).field("processor", cpu_model());
    json.field("isa", isa_name(owner->get().isa)).field("threads", common.threads);
    if (options.format.scheme) json.field("format", options.format.scheme->name());
    json.field("kv_cache_dtype", kv_cache);
    json.field("bytes", bytes).field("repetitions", options.repetitions);
    json.field("prompt_tokens", speed.prompt_tokens).field("decode_tokens", speed.decode_tokens);
    write_rate(json, "prompt_tokens_per_second", speed.prompt);
    write_rate(json, "decode_tokens_per_second", speed.decode);
    json.end_object();
    return print(json.take());
  }
  const std::vector<std::vector<std::string>> rows{
      {"test", "tokens/s", "slowest", "fastest"},
      row(fmt::format("prompt of {}", speed.prompt_tokens), speed.prompt),
      row(fmt::format("decode of {}", speed.decode_tokens), speed.decode)};
  return print(fmt::format(
      "{}, {}, {} threads; {} of linears, KV cache {}, median of {} runs\n\n{}", cpu_model(),
      isa_name(owner->get().isa), common.threads, size_text(static_cast<double>(bytes)), kv_cache,
      options.repetitions, table_text(rows)));
}

}  // namespace

Command bench_command() {
  return make_command<Options>(
      {.name = "bench",
       .summary = "measures how many tokens a second a model reads and writes",
       .details = "Prompt: all tokens in one pass into an empty cache. Decode: one by one behind "
                  "it.\nBoth of one sequence; shortened where the model has fewer positions.",
       .example = "  farthing bench models/stories260k -p 128 -n 64\n"
                  "  farthing bench model.gguf -p 512 -n 128 -r 5 --threads 2 --json"},
      declare, run, check);
}

}  // namespace farthing
