// What a model's linears have in common.
#include "model/dialects/writers/written_linears.h"

#include <fmt/format.h>

#include "formats/scale_plane.h"

namespace farthing {
namespace {

bool is_quantized(const WrittenLinear& linear) { return !linear.scheme.weights->plain; }

}  // namespace

Tensor input_scale_of(const WrittenLinear& as, const StoredLinear& linear, const Shape& shape) {
  Tensor out(as.form.input_scale, shape);
  CHECK(store_scale(out, 0, linear.input.scale) == linear.input.scale);
  return out;
}

Result<Scheme> only_scheme(std::string_view target, std::span<const WrittenLinear> linears) {
  const Scheme most = most_frequent(linears);
  for (const WrittenLinear& linear : linears) {
    if (!is_quantized(linear) || linear.scheme == most) continue;
    return fail({.what = fmt::format("{} states one scheme for all linears", target),
                 .where = "module " + linear.module,
                 .got = linear.scheme.name(),
                 .wanted = fmt::format("{}, as most have", most.name()),
                 .remedy = "convert to compressed-tensors, which states a scheme for each linear, "
                           "or quantize without rules"});
  }
  return most;
}

std::vector<std::string> plain_modules(std::span<const WrittenLinear> linears) {
  std::vector<std::string> out;
  for (const WrittenLinear& linear : linears)
    if (!is_quantized(linear) && !linear.embedding) out.push_back(linear.module);
  return out;
}

}  // namespace farthing
