// gguf: a GGUF file, and what became of each linear in it.
#include <fmt/format.h>

#include "base/rehearsal.h"
#include "model/dialects/writers/convert.h"
#include "model/gguf/writing.h"

namespace farthing {
namespace {

// GGUF says of no linear how its input is rounded, but for the static scale of NVFP4.
Result<> check_inputs(Checkpoint& from, const LinearSpec& spec, const StoredLinear& linear) {
  const Activations inputs = linear.activations;
  if (inputs == Activations::f32 || inputs == Activations::nvfp4 ||
      inputs == linear.weight.format->default_activations)
    return {};
  return fail({.what = "gguf does not state this rounding of inputs",
               .where = fmt::format("{}, tensor {}", from.path().string(), spec.name),
               .got = std::string(activations_name(inputs)),
               .wanted = "f32, or what the weights' format has by default",
               .remedy = "convert to compressed-tensors, which states most, or leave the rounding "
                         "out with --weight-only"});
}

std::vector<LinearSpec> matrices_of(const Checkpoint& model) {
  TensorSpecs specs = tensors_of(model.config());
  std::vector<LinearSpec> out = std::move(specs.tables);
  out.insert(out.end(), specs.linears.begin(), specs.linears.end());
  return out;
}

}  // namespace

Result<Conversion> convert_to_gguf(Checkpoint& from, const std::filesystem::path& to,
                                   const ConvertOptions& options, ThreadPool& pool,
                                   Progress& progress) {
  Conversion out;
  if (!options.weight_only)
    if (std::string cache = TRY(kv_cache_of(from)); !cache.empty())
      return fail(kv_cache_left_out(from, "gguf", std::move(cache)));
  for (const LinearSpec& spec : matrices_of(from)) {
    const Rehearsal rehearsal;
    const StoredLinear linear = TRY(from.linear(spec));
    if (linear.weight.format->plain) continue;
    if (!options.weight_only) TRY(check_inputs(from, spec, linear));
    out.linears.push_back({spec.name, {linear.weight.format, linear.activations}, {}});
  }
  TRY(write_gguf(from, to, pool, progress, options.weight_only));
  const auto written = TRY(Checkpoint::open(to));
  size_t at = 0;
  for (const LinearSpec& spec : matrices_of(*written)) {
    if (at == out.linears.size() || out.linears[at].name != spec.name) continue;
    const Rehearsal rehearsal;
    const StoredLinear linear = TRY(written->linear(spec));
    out.linears[at++].to = {linear.weight.format, linear.activations};
  }
  for (const StoredTensorInfo& tensor : written->tensors()) out.bytes += tensor.bytes;
  return out;
}

}  // namespace farthing
