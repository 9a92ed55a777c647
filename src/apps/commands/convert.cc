// farthing convert: a quantized model in the files of another program, without a rounding.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "model/dialects/writers/convert.h"

namespace farthing {
namespace {

// What is written: another program's dialect or, where that is null, a file or directory of its own
// kind.
struct Target {
  std::string_view name, readers;
  const DialectTarget* dialect = nullptr;
};
constexpr Target gguf{"gguf", "llama.cpp"}, own{"farthing", "every command of this program"};

struct Options {
  std::string model, output;
  std::optional<Target> target;
  bool weight_only = false, allow_rounding = false, verify = false;
};

std::string target_names() {
  return fmt::format("{}, {}, {}", dialect_target_names(), gguf.name, own.name);
}

Result<Target> parse_target(const std::string& name) {
  for (const Target& target : {gguf, own})
    if (name == target.name) return target;
  if (const DialectTarget* dialect = find_dialect_target(name))
    return Target{dialect->name, dialect->readers, dialect};
  return fail({.what = "there is no such dialect to write",
               .where = "--to",
               .got = name,
               .wanted = "one of " + target_names(),
               .remedy = "see `farthing convert --help`"});
}

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "IN", options.model, "The quantized model");
  list.required("output,-o,--output", "OUT", options.output,
                "The folder to write (of gguf: the file); new, empty, or from an earlier run");
  list.parsed("--to", "DIALECT", options.target, parse_target,
              "REQUIRED. What to write: " + target_names());
  list.flag("--weight-only", options.weight_only,
            "Leave out a rounding of inputs, and a KV cache, that the dialect cannot state");
  list.flag(
      "--allow-rounding", options.allow_rounding,
      "Where the dialect holds a scale in another form, let it be off by an f32's last place");
  list.flag("--verify", options.verify, "Read OUT back and compare every value with IN's");
}

Result<> check(const Options& options) {
  if (options.target) return {};
  return fail({.what = "there is nothing to convert to",
               .where = "--to",
               .got = "no dialect",
               .wanted = "one of " + target_names(),
               .remedy = "add --to DIALECT"});
}

struct Outcome {
  const Options& options;
  std::string from_dialect;
  Conversion conversion;
  double seconds;
};

// How many linears go from one scheme to another, by both names.
std::map<std::pair<std::string, std::string>, int64_t> counts_of(const Conversion& conversion) {
  std::map<std::pair<std::string, std::string>, int64_t> out;
  for (const Conversion::Linear& linear : conversion.linears)
    ++out[{linear.from.name(), linear.to.name()}];
  return out;
}

std::string json_text(const Outcome& outcome) {
  JsonWriter json(true);
  json.begin_object().field("model", outcome.options.model).field("output", outcome.options.output);
  json.field("from", outcome.from_dialect).field("to", outcome.options.target->name);
  json.field("verified", outcome.options.verify).field("seconds", outcome.seconds);
  json.field("bytes", outcome.conversion.bytes).key("linears").begin_array();
  for (const Conversion::Linear& linear : outcome.conversion.linears)
    json.begin_object()
        .field("name", linear.name)
        .field("from", linear.from.name())
        .field("to", linear.to.name())
        .end_object();
  return json.end_array().end_object().take();
}

std::string text(const Outcome& outcome) {
  std::string out;
  for (const auto& [names, count] : counts_of(outcome.conversion)) {
    out += fmt::format("{} linears of {}", count, names.first);
    out += names.first == names.second ? "\n" : fmt::format(" as {}\n", names.second);
  }
  bool left_out = false;
  for (const Conversion::Linear& linear : outcome.conversion.linears)
    left_out = left_out || linear.from.activations != linear.to.activations;
  if (left_out)
    out += fmt::format("{} states no rounding of inputs: what reads it decides on that\n",
                       outcome.options.target->name);
  if (outcome.options.verify)
    out += outcome.options.allow_rounding
               ? "verified: no value is off by more than three units in the last place\n"
               : "verified: every value is the same\n";
  out += fmt::format("{}: {} -> {}, {} in {:.1f} s; read by {}\n", outcome.options.output,
                     outcome.from_dialect, outcome.options.target->name,
                     size_text(static_cast<double>(outcome.conversion.bytes)), outcome.seconds,
                     outcome.options.target->readers);
  return out;
}

Result<Conversion> convert_model(Checkpoint& from, const Options& options, ThreadPool& pool,
                                 Progress& progress) {
  const ConvertOptions how{options.weight_only, options.allow_rounding};
  if (const DialectTarget* dialect = options.target->dialect)
    return convert_checkpoint(from, *dialect, options.output, how, pool, progress);
  if (options.target->name == gguf.name)
    return convert_to_gguf(from, options.output, how, pool, progress);
  return convert_to_own(from, options.output, how, progress);
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  checkpoint->use_pool(&owner->get().pool);
  const double started = now_seconds();
  Conversion conversion;
  double seconds = 0;
  {
    ProgressBar progress;
    conversion = TRY(convert_model(*checkpoint, options, owner->get().pool, progress));
    seconds = now_seconds() - started;
    if (options.verify) {
      const auto written = TRY(Checkpoint::open(options.output));
      TRY(check_same_weights(*checkpoint, *written, options.allow_rounding, progress));
    }
  }
  const Outcome outcome{options, std::string(checkpoint->kind()), std::move(conversion), seconds};
  return print(common.json ? json_text(outcome) : text(outcome));
}

}  // namespace

Command convert_command() {
  return make_command<Options>(
      {.name = "convert",
       .summary = "writes a quantized model in the files of another program",
       .details =
           "The codes, scales and zero points of IN, in another order, without a rounding: what "
           "the dialect cannot hold exactly is refused,\n"
           "with the `quantize` command that would bring the model into it. Norms, biases and "
           "plain tensors go along as they are.",
       .example =
           "  farthing convert /tmp/stories-int4 /tmp/stories-ct --to compressed-tensors --verify\n"
           "  farthing convert /tmp/stories-int4 /tmp/stories-q4_0.gguf --to gguf\n"
           "where /tmp/stories-int4 comes from (172 inputs are no whole groups)\n"
           "  farthing quantize models/stories260k -o /tmp/stories-int4 --format int4_g32 --method "
           "gptq --rule '*.down_proj=f32'"},
      declare, run, check);
}

}  // namespace farthing
