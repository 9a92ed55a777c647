// farthing kernels: every kernel of the program, or the one that runs each layer of a model, and
// why.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "advise/layer_groups.h"
#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "kernels/listing.h"
#include "kernels/matmul/matmul.h"

namespace farthing {
namespace {

struct Options {
  std::string model;
  LoadingFormat format;
};

void declare(OptionList& list, Options& options) {
  list.text("model,-m,--model", "MODEL", options.model,
            "Show which kernel runs each layer of this model");
  declare_format(list, options.format);
}

Result<> check(const Options& options) {
  TRY(check_format(options.format));
  if (!options.format.scheme || !options.model.empty()) return {};
  return fail({.what = "--format needs a model",
               .where = "--format",
               .got = "no MODEL",
               .wanted = "the model whose layers would be stored in that format",
               .remedy = "name a model, or leave --format away to list every kernel"});
}

// Whether the committed digests of logits were reproduced on a machine of that kind.
constexpr bool is_proven(Isa isa) {
  switch (isa) {
    case Isa::portable:
    case Isa::avx2:
    case Isa::avx512:
      return true;
  }
  return false;
}

Result<> show_kernels(bool as_json) {
  const Isa chosen = TRY(choose_isa());
  const auto kernels = list_kernels();
  if (as_json) {
    JsonWriter json(true);
    json.begin_object()
        .field("processor", cpu_model())
        .field("isa", isa_name(chosen))
        .key("kernels")
        .begin_array();
    for (const ListedKernel& row : kernels) {
      json.begin_object().field("operation", row.operation).field("name", row.kernel.name);
      json.field("isa", isa_name(row.kernel.isa)).field("level", level_name(row.kernel.level));
      json.field("runs_here", isa_supported(row.kernel.isa))
          .field("proven", is_proven(row.kernel.isa))
          .end_object();
    }
    json.end_array().end_object();
    return print(json.take());
  }
  std::vector<std::vector<std::string>> rows{
      {"operation", "kernel", "instructions", "level", "runs here", "proven"}};
  for (const ListedKernel& row : kernels) {
    rows.push_back(
        {std::string(row.operation), std::string(row.kernel.name),
         std::string(isa_name(row.kernel.isa)), std::string(level_name(row.kernel.level)),
         isa_supported(row.kernel.isa) ? "yes" : "no", is_proven(row.kernel.isa) ? "yes" : "no"});
  }
  return print(
      fmt::format("{}: {} is used\n\n{}\nproven: the committed digests of logits were reproduced "
                  "on a machine with "
                  "these instructions.\n",
                  cpu_model(), isa_name(chosen), table_text(rows)));
}

std::string reason_for(const MatmulKernel& kernel, Isa chosen) {
  const char* forced = std::getenv("FARTHING_FORCE_ISA");
  std::string out =
      kernel.isa != chosen ? fmt::format("there is none for {} and this scheme", isa_name(chosen))
      : forced != nullptr && *forced != '\0' ? "FARTHING_FORCE_ISA asks for these instructions"
                                             : "the strongest instructions of this machine";
  switch (kernel->packing) {
    case Packing::stored:
      out += "; no layout of its own for this format: tiles are decoded, then multiplied";
      break;
    case Packing::floats:
      out += "; plain floats, 16 outputs interleaved";
      break;
    case Packing::elements:
      out += "; codes and scales, 16 outputs interleaved";
      break;
    case Packing::integers:
      out += "; integer codes, 16 outputs interleaved";
      break;
  }
  out += kernel->input == ProductInput::floats ? "; f32 input"
                                               : "; input rounded to int8, products in integers";
  return out;
}

Result<> show_model(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  Context& context = owner->get();
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const auto model = TRY(load_model(context, *checkpoint, options.format));
  const auto groups = groups_of(model->linears());
  if (common.json) {
    JsonWriter json(true);
    json.begin_object()
        .field("processor", cpu_model())
        .field("isa", isa_name(context.isa))
        .key("layers")
        .begin_array();
    for (const LayerGroup& group : groups) {
      json.begin_object()
          .field("layer", group.kind)
          .field("count", group.count)
          .field("n", group.first.n);
      json.field("k", group.first.k).field("scheme", full_name(group.first.scheme));
      json.field("kernel", group.first.kernel->name)
          .field("level", level_name(group.first.kernel->level));
      json.field("bytes", group.bytes)
          .field("reason", reason_for(*group.first.kernel, context.isa))
          .end_object();
    }
    json.end_array().end_object();
    return print(json.take());
  }
  std::vector<std::vector<std::string>> rows{
      {"layers", "linear", "n x k", "scheme", "kernel", "level", "bytes"}};
  std::string reasons;
  std::vector<const MatmulKernel*> explained;
  for (const LayerGroup& group : groups) {
    const MatmulKernel* kernel = group.first.kernel;
    rows.push_back({fmt::format("{} x", group.count), group.kind,
                    fmt::format("{} x {}", group.first.n, group.first.k),
                    full_name(group.first.scheme), std::string(kernel->name),
                    std::string(level_name(kernel->level)),
                    size_text(static_cast<double>(group.bytes))});
    if (std::find(explained.begin(), explained.end(), kernel) != explained.end()) continue;
    explained.push_back(kernel);
    reasons += fmt::format("{}: {}\n", kernel->name, reason_for(*kernel, context.isa));
  }
  return print(fmt::format("{}: {} is used\n\n{}\n{}", cpu_model(), isa_name(context.isa),
                           table_text(rows), reasons));
}

Result<> run(const CommonOptions& common, const Options& options) {
  return options.model.empty() ? show_kernels(common.json) : show_model(common, options);
}

}  // namespace

Command kernels_command() {
  return make_command<Options>(
      {.name = "kernels",
       .summary = "lists the kernels, or says which one runs each layer of a model and why",
       .details = "The environment variable FARTHING_FORCE_ISA (portable, avx2, avx512) forces an "
                  "instruction set.",
       .example = "  farthing kernels\n  farthing kernels models/stories260k --format int4_g32"},
      declare, run, check);
}

}  // namespace farthing
