// Reading back what was written, and comparing every value.
#include <fmt/format.h>

#include <cmath>

#include "model/dialects/writers/convert.h"

namespace farthing {
namespace {

Error difference(const Checkpoint& one, const Checkpoint& other, const std::string& name,
                 std::string got, std::string wanted) {
  return {.what = "what was written is not what was read",
          .where = fmt::format("{}, tensor {}", other.path().string(), name),
          .got = std::move(got),
          .wanted = fmt::format("{}, as in {}", wanted, one.path().string()),
          .remedy = "do not use it; this is a bug, or the disk fails: please report it"};
}

// Both products of a value may be rounded the other way where the scale is off by one unit.
bool is_near(float a, float b) { return std::fabs(a - b) <= 3 * 0x1p-23f * std::fabs(a); }

class Comparison {
 public:
  Comparison(const Checkpoint& one, const Checkpoint& other, bool rounded_scales)
      : one_(one), other_(other), rounded_scales_(rounded_scales) {}

  Result<> values(const std::string& name, const Tensor& wanted, const Tensor& got) const {
    const auto *a = wanted.as<float>(), *b = got.as<float>();
    for (int64_t i = 0; i < wanted.shape().elements(); ++i) {
      if (a[i] == b[i] || (rounded_scales_ && is_near(a[i], b[i]))) continue;
      return fail(difference(one_, other_, name, fmt::format("{} at element {}", b[i], i),
                             fmt::format("{}", a[i])));
    }
    return {};
  }

  Result<> inputs(const std::string& name, const StoredLinear& a, const StoredLinear& b) const {
    if (a.activations != b.activations || a.input == b.input ||
        (rounded_scales_ && is_near(a.input.scale, b.input.scale)))
      return {};
    return fail(
        difference(one_, other_, name, "another static scale or zero of its inputs", "the same"));
  }

 private:
  const Checkpoint &one_, &other_;
  bool rounded_scales_;
};

}  // namespace

Result<> check_same_weights(Checkpoint& one, Checkpoint& other, bool rounded_scales,
                            Progress& progress) {
  const Comparison compare(one, other, rounded_scales);
  const TensorSpecs specs = tensors_of(one.config());
  const double total = static_cast<double>(specs.tables.size() + specs.linears.size());
  double done = 0;
  for (const auto* list : {&specs.tables, &specs.linears})
    for (const LinearSpec& spec : *list) {
      progress.update(done++, total, "verifying " + spec.name);
      const StoredLinear a = TRY(one.linear(spec)), b = TRY(other.linear(spec));
      TRY(compare.values(spec.name, a.weight.decode(), b.weight.decode()));
      TRY(compare.inputs(spec.name, a, b));
    }
  for (const VectorSpec& spec : specs.vectors)
    TRY(compare.values(spec.name, TRY(one.vector(spec)), TRY(other.vector(spec))));
  progress.update(total, total, "verified");
  return {};
}

}  // namespace farthing
