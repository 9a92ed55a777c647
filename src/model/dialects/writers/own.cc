// farthing: a directory of this program's own, which every scheme has a place in.
#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "model/checkpoint_writer.h"
#include "model/dialects/writers/convert.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

Result<StoredLinear> stored(Checkpoint& from, const LinearSpec& spec, bool is_table) {
  return is_table ? from.table(spec) : from.linear(spec);
}

}  // namespace

Result<Conversion> convert_to_own(Checkpoint& from, const std::filesystem::path& to,
                                  const ConvertOptions& options, Progress& progress) {
  if (StatedKvCache cache = from.stated_kv_cache(); !options.weight_only && !cache.text.empty())
    return fail(kv_cache_left_out(from, "farthing", std::move(cache.text)));
  Conversion out;
  std::vector<WrittenLinear> written;
  const TensorSpecs specs = tensors_of(from.config());
  for (const auto* list : {&specs.tables, &specs.linears})
    for (const LinearSpec& spec : *list) {
      const Rehearsal rehearsal;
      const StoredLinear linear = TRY(stored(from, spec, list == &specs.tables));
      const Scheme scheme{linear.weight.format, linear.activations};
      out.bytes += linear.weight.bytes();
      if (scheme.weights->plain) continue;
      written.push_back({spec.name, scheme});
      out.linears.push_back({spec.name, scheme, scheme});
    }
  if (written.empty()) return fail(nothing_to_convert(from));
  for (const VectorSpec& spec : specs.vectors) out.bytes += spec.size * dtype_bytes(DType::f32);
  const CheckpointWriting writing{
      .from = from,
      .source = from,
      .method = "converted",
      .scheme = most_frequent(written),
      .scale_rule = {},
      .linear_of = [&](const LinearSpec& spec, bool is_table) -> Result<CheckpointWriting::Linear> {
        const Rehearsal rehearsal;
        const StoredLinear linear = TRY(stored(from, spec, is_table));
        return CheckpointWriting::Linear{{linear.weight.format, linear.activations},
                                         linear.input.outliers.count(),
                                         linear.weight.scale_dtype};
      },
      .manifest = [&] { return conversion_manifest(from, "farthing"); }};
  TRY(write_checkpoint(writing, to, progress));
  return out;
}

}  // namespace farthing
