// Planes of integer formats as the words of files.
#include "model/dialects/writers/integer_tensors.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "formats/packing/packing.h"
#include "model/checkpoint.h"
#include "model/dialects/integer_weights.h"
#include "model/transposed.h"

namespace farthing {
namespace {

constexpr int64_t word_bytes = 4;

// Rows of a plane as whole words, zeros behind them; a view where they are whole already.
Tensor in_words(const Tensor& plane) {
  const int64_t rows = plane.shape()[0], bytes = plane.shape()[1],
                words = (bytes + word_bytes - 1) / word_bytes;
  if (bytes % word_bytes == 0) return plane.viewed_as(DType::i32, {rows, words});
  Tensor out(DType::i32, {rows, words});
  if (rehearsing()) return out;
  for (int64_t n = 0; n < rows; ++n)
    std::memcpy(out.data() + n * words * word_bytes, plane.data() + n * bytes,
                static_cast<size_t>(bytes));
  return out;
}

// The codes of a plane, a byte each, u8 [rows, count].
Tensor unpacked(const Tensor& plane, int64_t count, int bits) {
  Tensor out(DType::u8, {plane.shape()[0], count});
  if (rehearsing()) return out;
  auto codes = unpack_codes(*find_packing("compressed_tensors"), in_words(plane), plane.shape()[0],
                            count, bits);
  CHECK(codes.has_value());
  return std::move(*codes);
}

}  // namespace

const Format* integer_layout(const Format& format) {
  if (!format.grid) return nullptr;
  if (format.gguf_type < 0) return &format;
  const IntegerGrid& grid = *format.grid;
  const auto found =
      integer_format({.bits = grid.bits, .group = grid.group, .zero_points = grid.zero_points}, "");
  return found ? *found : nullptr;
}

const Format* layout_of_bytes(const Format& layout) {
  const IntegerGrid& grid = *layout.grid;
  if (grid.bits < 5 || grid.bits == 8) return nullptr;
  const auto found =
      integer_format({.bits = 8, .group = grid.group, .zero_points = grid.zero_points}, "");
  return found && (*found)->grid->group == grid.group ? *found : nullptr;
}

const Format* with_zero_points(const Format& layout) {
  const IntegerGrid& grid = *layout.grid;
  if (grid.zero_points) return &layout;
  const auto found =
      integer_format({.bits = grid.bits, .group = grid.group, .zero_points = true}, "");
  return found && (*found)->grid->bits == grid.bits ? *found : nullptr;
}

QuantizedTensor in_runs(const QuantizedTensor& weight) {
  if (!has_input_groups(*weight.format)) return weight;
  return {&format_in_runs(*weight.format),
          weight.n,
          weight.k,
          weight.scale_dtype,
          {weight.planes.begin(), weight.planes.begin() + weight.format->input_groups}};
}

bool has_middle_zeros(const QuantizedTensor& weight) {
  const QuantizedTensor runs = in_runs(weight);
  if (!runs.format->grid || !runs.format->grid->zero_points || rehearsing()) return false;
  const Tensor zeros = plain_zeros(runs);
  const auto* begin = zeros.as<uint8_t>();
  return std::all_of(begin, begin + zeros.bytes(),
                     [&](uint8_t zero) { return zero == runs.format->grid->middle(); });
}

Result<Tensor> packed(const Tensor& codes, std::string_view packing, int bits) {
  const CodePacking& order = *find_packing(packing);
  const Shape shape = TRY(packed_shape(order, codes.shape()[0], codes.shape()[1], bits));
  if (rehearsing()) return Tensor(order.dtype, shape);
  return pack_codes(order, codes, bits);
}

Tensor plain_codes(const QuantizedTensor& weight) {
  return unpacked(weight.planes[0], weight.k, weight.format->grid->bits);
}

Tensor plain_zeros(const QuantizedTensor& weight) {
  const IntegerGrid& grid = *weight.format->grid;
  const int64_t groups = grid.groups(weight.k);
  if (grid.zero_points) return unpacked(weight.planes[2], groups, grid.bits);
  Tensor out(DType::u8, {weight.n, groups});
  if (!rehearsing()) std::memset(out.data(), grid.middle(), static_cast<size_t>(out.bytes()));
  return out;
}

Result<Tensor> packed_codes(const QuantizedTensor& weight, std::string_view packing,
                            ThreadPool* pool) {
  const int bits = weight.format->grid->bits;
  const Tensor& codes = weight.planes[0];
  if (packing == "compressed_tensors") return in_words(codes);
  const CodePacking& order = *find_packing(packing);
  const Shape shape = TRY(packed_shape(order, weight.n, weight.k, bits));
  if (rehearsing()) return Tensor(order.dtype, shape);
  // A column of words is a row of the plane.
  if (packing == "gptq") return transposed(in_words(codes), pool);
  return repack(*find_packing("compressed_tensors"), order, in_words(codes), weight.n, weight.k,
                bits, pool);
}

Result<Tensor> packed_zeros(const QuantizedTensor& weight, std::string_view packing) {
  return packed(plain_zeros(weight), packing, weight.format->grid->bits);
}

}  // namespace farthing
