// What `farthing quantize`, and a plan of it, are told beside a recipe or instead of one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/command_line.h"
#include "quant/method.h"
#include "quant/recipe.h"

namespace farthing {

struct QuantizeFlags {
  std::string recipe;  // a file; empty: none
  std::optional<Scheme> format, tables;
  std::optional<Method> method;
  std::vector<std::string> rules;
  int64_t samples = 0, context = 0;  // 0: the recipe's, or as many as the method wants
  std::optional<Rotation> rotation;
  int64_t rotation_seed = -1;  // -1: the recipe's
};

// All but --format and --method, which mean something else to each command.
void declare_quantize_flags(OptionList& list, QuantizeFlags& flags);

// The recipe, with what the flags say instead. The scheme's weights and the method are null where
// neither says; calibration.samples is 0 where they are to be as many as the method wants.
Result<QuantizeRecipe> recipe_of(const QuantizeFlags& flags);
// As many as the method wants, where nobody says.
void fill_samples(QuantizeRecipe& recipe);
Error no_format();

}  // namespace farthing
