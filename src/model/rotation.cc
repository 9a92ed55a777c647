// Names of rotations, and what they change in a plan.
#include "model/rotation.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/config.h"
#include "ops/hadamard/hadamard.h"

namespace farthing {
namespace {

Result<> check_size(int64_t size, std::string_view rotation, std::string_view of,
                    const std::string& where) {
  if (ops::HadamardMatrix::find(size) != nullptr) return {};
  return fail({.what = "there is no Hadamard matrix of this size here",
               .where = fmt::format("{}, {}", where, of),
               .got = std::to_string(size),
               .wanted = ops::hadamard_sizes(),
               .remedy = fmt::format("rotate without {}", rotation)});
}

// A gain between what a linear gives and the stream would have to turn with it.
Result<> check_stream(const ModelConfig& config, const std::string& where) {
  for (const BlockPlan& block : config.plan.blocks) {
    for (const NormPlan* norm : {&block.after_attention, &block.after_mlp}) {
      if (norm->name.empty()) continue;
      return fail({.what = "R1 cannot pass a norm before what a block adds",
                   .where = where,
                   .got = norm->name,
                   .wanted = "blocks that add what their linears give",
                   .remedy = "rotate without r1"});
    }
  }
  return check_size(config.hidden_size, "r1", "hidden size", where);
}

Result<> rotate_mlp(MlpPlan& plan, const std::string& where) {
  if (plan.inputs.empty()) return {};
  TRY(check_size(plan.down.k, "r4", plan.down.name, where));
  plan.hadamard = true;
  return {};
}

}  // namespace

std::string Rotation::name() const {
  std::string out;
  for (const auto& [name, is_on] : {std::pair{"r1", r1}, {"r2", r2}, {"r3", r3}, {"r4", r4}})
    if (is_on) out.append(out.empty() ? "" : ",").append(name);
  return out;
}

Result<Rotation> parse_rotation(const std::string& names) {
  Rotation out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    bool* const found = name == "r1"   ? &out.r1
                        : name == "r2" ? &out.r2
                        : name == "r3" ? &out.r3
                        : name == "r4" ? &out.r4
                                       : nullptr;
    if (found == nullptr) {
      return fail({.what = "unknown rotation",
                   .where = "rotate",
                   .got = name,
                   .wanted = "r1, r2, r3, r4, or several joined by commas",
                   .remedy = "correct the name"});
    }
    *found = true;
    begin = end + 1;
  }
  return out;
}

Result<> rotate_plan(ModelConfig& config, const Rotation& rotation, const std::string& where) {
  if (rotation.r1) TRY(check_stream(config, where));
  for (BlockPlan& block : config.plan.blocks) {
    const bool latent = block.latent.heads > 0;
    if (rotation.r2)
      TRY(check_size(latent ? block.latent.value_dim : block.attention.head_dim, "r2",
                     "values of a head", where));
    if (rotation.r3) {
      TRY(check_size(config.head_dim, "r3", "head_dim", where));
      (latent ? block.latent.hadamard : block.attention.hadamard) = true;
    }
    if (!rotation.r4) continue;
    if (block.experts.experts.empty()) TRY(rotate_mlp(block.mlp, where));
    for (MlpPlan& expert : block.experts.experts) TRY(rotate_mlp(expert, where));
    TRY(rotate_mlp(block.experts.shared, where));
  }
  config.plan.rotation = rotation;
  return {};
}

}  // namespace farthing
