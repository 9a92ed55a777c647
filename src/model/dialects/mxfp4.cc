// mxfp4: gpt-oss as it is published. Experts are MXFP4, each matrix of all of them in one tensor.
//
// Layout: of a stack S of e matrices [n, k] S_blocks U8 [e, n, k / 32, 16], even k in the low
//         nibble, and S_scales U8 (E8M0) [e, n, k / 32]. Activations are not rounded.
// Source: transformers, integrations/mxfp4.py; github.com/openai/gpt-oss.
#include "model/dialects/dialect.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

class Mxfp4Reader : public DialectReader {
 public:
  explicit Mxfp4Reader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    return std::make_unique<Mxfp4Reader>(source.directory);
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    if (spec.stack.empty() || directory_.find(spec.stack + "_blocks") == nullptr)
      return std::nullopt;
    return StoredAs{{find_format("mxfp4"), Activations::f32},
                    {spec.stack + "_blocks", spec.stack + "_scales"}};
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const Format& format = *as.scheme.weights;
    const auto planes = format.planes(spec.n, spec.k, format.scale_dtype);
    const int64_t blocks = planes[1].shape[1];
    const auto* entry = directory_.find(as.tensors[0]);
    const int64_t stacked = entry->shape.rank() == 4 ? entry->shape[0] : 0;
    const int64_t count = stacked > spec.in_stack ? stacked : spec.in_stack + 1;
    StoredLinear out;
    out.weight = {&format, spec.n, spec.k, format.scale_dtype, {}};
    const Tensor elements =
        TRY(tensor_of(directory_, as.tensors[0], {DType::u8}, {count, spec.n, blocks, 16}));
    const Tensor scales = TRY(
        tensor_of(directory_, as.tensors[1], {DType::u8, DType::f8_e8m0}, {count, spec.n, blocks}));
    if (planes[0].shape[1] != 16 * blocks)
      return fail(tensor_shape_error(directory_, as.tensors[0], elements.shape(),
                                     {count, spec.n, planes[0].shape[1] / 16, 16}));
    out.weight.planes = {elements.reshaped({count, spec.n, 16 * blocks}).part(spec.in_stack),
                         scales.part(spec.in_stack).viewed_as(DType::f8_e8m0, planes[1].shape)};
    return out;
  }

 private:
  const HuggingFaceDirectory& directory_;
};

}  // namespace

Dialect mxfp4_dialect() {
  return {.name = "mxfp4", .quant_methods = {"mxfp4"}, .open = Mxfp4Reader::open};
}

}  // namespace farthing
