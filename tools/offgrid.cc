// farthing-offgrid: writes a model with the same function and weights that lie on no quantization
// grid.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/cpu.h"
#include "base/float_mode.h"
#include "base/json_writer.h"
#include "workflows/offgrid.h"

namespace farthing {
namespace {

constexpr std::string_view usage =
    R"(usage: farthing-offgrid MODEL --out DIR [--seed N] [--sigma X] [--threads N] [--json]

Permutes and gently rescales the channels of a Llama model, so that its weights lie on no quantization grid
and its function stays, and writes it as a Hugging Face directory of f32 weights. The logits of both models
on a fixed text must agree to 1e-5 of the largest one; else nothing is left behind.

MODEL is a GGUF file or a Hugging Face directory.

  -o, --out DIR    the directory to write; new, empty, or from an earlier run
      --seed N     of the permutations and factors (0)
      --sigma X    of the log-normal factors, 0 to 0.5 (0.05)
  -t, --threads N  (the processors of this machine)
      --json       what was measured, as JSON

Example: farthing-offgrid SmolLM2-135M-Instruct.Q4_1.gguf --out smollm2-offgrid
)";

struct Arguments {
  std::string model, out;
  OffGridOptions options;
  int threads = available_processors();
  bool json = false, help = false;
};

Error usage_error(std::string_view flag, std::string got, std::string wanted) {
  return {.what = "bad usage",
          .where = std::string(flag),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "farthing-offgrid --help"};
}

template <class T>
Result<> read_number(std::string_view flag, std::string_view text, T least, T most, T& target) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
  if (error == std::errc() && end == text.data() + text.size() && target >= least && target <= most)
    return {};
  return fail(
      usage_error(flag, std::string(text), fmt::format("a number from {} to {}", least, most)));
}

Result<Arguments> read_arguments(int count, char** values) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view flag = values[i];
    if (flag == "-h" || flag == "--help") {
      out.help = true;
      return out;
    }
    if (flag == "--json") {
      out.json = true;
    } else if (!flag.starts_with('-')) {
      if (!out.model.empty()) return fail(usage_error(flag, "a second model", "one MODEL"));
      out.model = flag;
    } else {
      const bool known = flag == "-o" || flag == "--out" || flag == "--seed" || flag == "--sigma" ||
                         flag == "-t" || flag == "--threads";
      if (!known) return fail(usage_error(flag, "an unknown option", "one that --help names"));
      if (++i == count) return fail(usage_error(flag, "nothing behind it", "a value"));
      const std::string_view value = values[i];
      if (flag == "--seed") {
        TRY(read_number<uint64_t>(flag, value, 0, UINT64_MAX, out.options.seed));
      } else if (flag == "--sigma") {
        TRY(read_number(flag, value, 0.0, 0.5, out.options.sigma));
      } else if (flag.ends_with('o') || flag == "--out") {
        out.out = value;
      } else {
        TRY(read_number(flag, value, 1, 1024, out.threads));
      }
    }
  }
  if (out.model.empty())
    return fail(usage_error("MODEL", "nothing", "a GGUF file or a Hugging Face directory"));
  if (out.out.empty()) return fail(usage_error("--out", "nothing", "the directory to write"));
  return out;
}

Result<> run(const Arguments& arguments) {
  ContextOwner context(arguments.threads, TRY(choose_isa()));
  const auto checkpoint = TRY(Checkpoint::open(arguments.model));
  OffGridReport report;
  {
    ProgressBar progress;
    report =
        TRY(write_off_grid(context.get(), *checkpoint, arguments.options, arguments.out, progress));
  }
  if (arguments.json) {
    JsonWriter json;
    json.begin_object().field("model", arguments.model).field("out", arguments.out);
    json.field("seed", arguments.options.seed)
        .field("sigma", arguments.options.sigma)
        .field("tokens", report.tokens);
    json.field("relative_logit_difference", report.relative_difference);
    json.field("same_top_token", report.same_top_token).end_object();
    fmt::print("{}\n", json.take());
  } else {
    fmt::print(
        "{}: logits of {} tokens differ by {:.2e} of the largest one; {:.2f} % of the top tokens "
        "are the same\n",
        arguments.out, report.tokens, report.relative_difference, 100 * report.same_top_token);
  }
  return {};
}

}  // namespace
}  // namespace farthing

int main(int argc, char** argv) {
  farthing::set_float_mode();
  const auto arguments = farthing::read_arguments(argc, argv);
  if (!arguments) {
    fmt::print(stderr, "farthing-offgrid: {}\n", arguments.error().text());
    return 2;
  }
  if (arguments->help) {
    fmt::print("{}", farthing::usage);
    return 0;
  }
  if (const auto done = farthing::run(*arguments); !done) {
    fmt::print(stderr, "farthing-offgrid: {}\n", done.error().text());
    return 1;
  }
  return 0;
}
