// Flags over a recipe.
#include "apps/quantize_flags.h"

#include "quant/quantize.h"

namespace farthing {

void declare_quantize_flags(OptionList& list, QuantizeFlags& flags) {
  list.text(
      "--recipe", "FILE", flags.recipe,
      "A TOML file of all of this (docs/quantization.md); flags count before it, --rule behind "
      "its rules");
  list.parsed("--tables,--token-embedding-type,--output-tensor-type", "SCHEME", flags.tables,
              parse_scheme,
              "Embedding and head too, both to this scheme; without it they stay as they are");
  list.list(
      "--rule,--tensor-type", "LAYERS=SCHEME[:METHOD],...", flags.rules,
      "Other schemes or methods, or keep, for the linears whose name fits a pattern; the last "
      "that fits counts: '*.down_proj=int8_g128,lm_head=keep'");
  list.integer("--num-calibration-samples", flags.samples, 1, 1 << 20,
               "How many pieces of the calibration's text are read; 128, or 8 where no method sees "
               "inputs");
  list.integer("--max-seq-length", flags.context, 2, 1 << 20,
               "Tokens of such a piece; the model's context if that is less");
  list.parsed("--rotate", "NAMES", flags.rotation, parse_rotation,
              "Hadamard rotations before the method: r1 (the stream between blocks), r2 (values), "
              "r3 (queries and keys), r4 (what down projections read), joined by commas");
  list.integer("--rotate-seed", flags.rotation_seed, 0, int64_t{1} << 40,
               "Of the random signs of r1 and r2; 0 without it");
}

Result<QuantizeRecipe> recipe_of(const QuantizeFlags& flags) {
  QuantizeRecipe out;
  if (!flags.recipe.empty()) out = TRY(read_quantize_recipe(flags.recipe));
  QuantizeOptions& to = out.options;
  if (flags.format) to.scheme = *flags.format;
  if (flags.tables) to.tables = flags.tables;
  if (flags.method) flags.method->apply(to);
  const int64_t seed = flags.rotation_seed >= 0 ? flags.rotation_seed : to.rotation.seed;
  if (flags.rotation) to.rotation = *flags.rotation;
  to.rotation.seed = seed;
  for (const std::string& rule : flags.rules) to.rules.push_back(TRY(parse_rule(rule)));
  if (flags.samples != 0) out.calibration.samples = flags.samples;
  if (flags.context != 0) out.calibration.context = flags.context;
  return out;
}

void fill_samples(QuantizeRecipe& recipe) {
  if (recipe.calibration.samples != 0) return;
  recipe.calibration.samples = needs_inputs(recipe.options) ? StagesOptions().calibration.samples
                                                            : CalibrationOptions().samples;
}

Error no_format() {
  return {.what = "no format was given",
          .where = "--format",
          .got = {},
          .wanted = "one of " + format_names(),
          .remedy = "add --format SCHEME, for example --format int4_g128"};
}

}  // namespace farthing
