// awq, awq_gemv: the tensors of dialects/awq.cc. 4 bits with zero points, one scheme for all
// linears.
#include <fmt/format.h>

#include <cstring>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "model/checkpoint.h"
#include "model/dialects/awq_gemv_groups.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"
#include "model/transposed.h"

namespace farthing {
namespace {

// A matrix with zeros behind its columns.
Tensor widened(const Tensor& matrix, int64_t columns) {
  const int64_t rows = matrix.shape()[0], element = dtype_bytes(matrix.dtype()),
                from = matrix.shape()[1] * element, to = columns * element;
  if (from == to) return matrix;
  Tensor out(matrix.dtype(), {rows, columns});
  if (rehearsing()) return out;
  for (int64_t n = 0; n < rows; ++n)
    std::memcpy(out.data() + n * to, matrix.data() + n * from, static_cast<size_t>(from));
  return out;
}

class AwqWriter : public DialectWriter {
 public:
  explicit AwqWriter(bool gemv) : gemv_(gemv) {}

  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const Format* layout = integer_layout(*scheme.weights);
    if (layout != nullptr && layout->scale_block.rows == 1 && layout->grid->bits == 4)
      layout = with_zero_points(*layout);
    else
      layout = nullptr;
    if (layout != nullptr) return Scheme{layout, Activations::f32};
    return fail(not_held(target(), scheme, "integers of 4 bits with a scale for each group or row",
                         "int4_g128_asym"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear&,
                                           const StoredLinear& linear) const override {
    const QuantizedTensor& weight = linear.weight;
    const std::string module = module_of(spec.name);
    Tensor codes = TRY(packed_codes(weight, gemv_ ? "compressed_tensors" : "awq", pool_));
    if (!gemv_) {
      Tensor zeros = TRY(packed_zeros(weight, "awq_zeros"));
      return std::vector<NamedTensor>{{module + ".qweight", std::move(codes)},
                                      {module + ".qzeros", std::move(zeros)},
                                      {module + ".scales", transposed(scales_of(weight), pool_)}};
    }
    const int64_t padded =
        awq_gemv_groups(weight.format->grid->groups(spec.k), weight.format->grid->group);
    return std::vector<NamedTensor>{
        {module + ".qweight", std::move(codes)},
        {module + ".qzeros",
         widened(weight.planes[2], padded / 2).viewed_as(DType::i32, {spec.n, padded / 8})},
        {module + ".scales", widened(scales_of(weight), padded)}};
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const IntegerGrid& grid = *TRY(only_scheme(target(), linears)).weights->grid;
    JsonWriter json;
    json.begin_object().field("quant_method", "awq").field("bits", grid.bits);
    json.field("group_size", grid.group == 0 ? -1 : grid.group).field("zero_point", true);
    json.field("version", gemv_ ? "gemv" : "gemm");
    json.key("modules_to_not_convert").begin_array();
    for (const std::string& module : plain_modules(linears)) json.value(module);
    return json.end_array().end_object().take();
  }

 private:
  std::string_view target() const { return gemv_ ? "awq-gemv" : "awq"; }
  bool gemv_;
};

}  // namespace

DialectTarget awq_target() {
  return {.name = "awq",
          .holds = "integers of 4 bits, one scheme",
          .readers = "vLLM, transformers, AutoAWQ",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<AwqWriter>(false);
          }};
}

DialectTarget awq_gemv_target() {
  return {.name = "awq-gemv",
          .holds = "integers of 4 bits, one scheme",
          .readers = "AutoAWQ",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<AwqWriter>(true);
          },
          .dialect = "awq"};
}

}  // namespace farthing
