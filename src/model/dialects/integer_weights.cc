// Codes and zeros from other orders to the planes of integer formats.
#include "model/dialects/integer_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/on_threads.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "formats/packing/packing.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

constexpr int most_bits = 8;
constexpr int64_t least_group = 16, most_group = 256;
constexpr std::string_view act_order = "_act_order";

std::string format_name(const IntegerArguments& a, int bits) {
  const std::string group = a.of_tensor    ? "tensor"
                            : a.group == 0 ? "row"
                                           : fmt::format("g{}", a.group);
  return fmt::format("int{}_{}{}", bits, group,
                     a.act_order     ? act_order
                     : a.zero_points ? "_asym"
                                     : "");
}

// Codes of `bits` bits as those of the format: moved to its middle where it has no zero points.
void raise_codes(const Format& format, int bits, uint8_t* codes, int64_t count) {
  const int by = format.grid->zero_points ? 0 : format.grid->middle() - (1 << (bits - 1));
  if (by == 0) return;
  for (int64_t i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(codes[i] + by);
}

// The weight's first plane alone.
QuantizedTensor empty_codes(const Format& format, int64_t n, int64_t k) {
  QuantizedTensor out{&format, n, k, format.scale_dtype, {}};
  const PlaneSpec plane = format.planes(n, k, format.scale_dtype).front();
  out.planes.emplace_back(plane.dtype, plane.shape);
  return out;
}

}  // namespace

Result<const Format*> integer_format(const IntegerArguments& arguments, std::string where) {
  for (int bits = arguments.bits; bits >= 2 && bits <= most_bits; ++bits) {
    if (const Format* format = find_format(format_name(arguments, bits))) return format;
    if (arguments.act_order || arguments.group == 0) continue;
    IntegerArguments part = arguments;
    for (part.group = most_group; part.group >= least_group; part.group /= 2)
      if (arguments.group % part.group == 0)
        if (const Format* format = find_format(format_name(part, bits))) return format;
  }
  std::string known;
  for (const Format& format : all_formats())
    if (arguments.act_order ? has_input_groups(format)
                            : format.grid && format.grid->zero_points == arguments.zero_points &&
                                  format.grid->bits >= arguments.bits && format.gguf_type < 0)
      known += (known.empty() ? "" : ", ") + std::string(format.name);
  return fail(
      {.what = "weights of a bit width and group size that no format has",
       .where = std::move(where),
       .got = format_name(arguments, arguments.bits),
       .wanted = "what one of these holds: " + known,
       .remedy = "quantize the unquantized model to one of these with `farthing quantize`"});
}

Result<StoredCodes> stored_codes(const HuggingFaceDirectory& directory, const std::string& name,
                                 std::string_view packing, int64_t n, int64_t k, int bits) {
  const CodePacking* order = find_packing(packing);
  CHECK(order != nullptr);
  auto shape = packed_shape(*order, n, k, bits);
  if (!shape) {
    shape.error().where =
        fmt::format("{}, tensor {}: {}", directory.path().string(), name, shape.error().where);
    return fail(std::move(shape.error()));
  }
  return StoredCodes{TRY(tensor_of(directory, name, {order->dtype}, *shape)), order, n, k, bits};
}

Result<Tensor> codes_of(const HuggingFaceDirectory& directory, const std::string& name,
                        std::string_view packing, int64_t n, int64_t k, int bits) {
  const StoredCodes codes = TRY(stored_codes(directory, name, packing, n, k, bits));
  if (rehearsing()) return Tensor(DType::u8, {n, k});
  return unpack_codes(*codes.order, codes.packed, n, k, bits);
}

Result<Tensor> byte_codes(const HuggingFaceDirectory& directory, const std::string& name,
                          bool is_signed, const Shape& shape, int bits) {
  const Tensor from =
      TRY(loose_tensor_of(directory, name, {is_signed ? DType::i8 : DType::u8}, shape));
  if (!is_signed && bits == most_bits) return from;
  Tensor out(DType::u8, shape);
  if (rehearsing()) return out;
  const int middle = is_signed ? 1 << (bits - 1) : 0, highest = (1 << bits) - 1;
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int code = middle + (is_signed ? from.as<int8_t>()[i] : from.as<uint8_t>()[i]);
    if (code < 0 || code > highest) {
      return fail({.what = "a code does not fit into its bits",
                   .where = fmt::format("{}, tensor {}", directory.path().string(), name),
                   .got = std::to_string(code - middle),
                   .wanted = fmt::format("{}..{}, of {} bits", -middle, highest - middle, bits),
                   .remedy = "the file is damaged, or its configuration names other bits"});
    }
    out.as<uint8_t>()[i] = static_cast<uint8_t>(code);
  }
  return out;
}

Tensor first_bytes(const Tensor& matrix, int64_t bytes) {
  const int64_t rows = matrix.shape()[0], row = matrix.bytes() / rows;
  if (row == bytes) return matrix.viewed_as(DType::u8, {rows, bytes});
  Tensor out(DType::u8, {rows, bytes});
  if (rehearsing()) return out;
  for (int64_t n = 0; n < rows; ++n)
    std::memcpy(out.data() + n * bytes, matrix.data() + n * row, static_cast<size_t>(bytes));
  return out;
}

Result<bool> is_act_order(const HuggingFaceDirectory& directory, const std::string& name, int64_t k,
                          const IntegerArguments& arguments) {
  if (directory.find(name) == nullptr) return false;
  const Tensor tensor = TRY(tensor_of(directory, name, {DType::i32}, {k}));
  if (rehearsing()) return false;
  const std::span groups(tensor.as<int32_t>(), static_cast<size_t>(k));
  if (std::ranges::all_of(groups, [](int32_t g) { return g == -1; })) return false;
  const bool ascending = std::ranges::is_sorted(groups);
  for (int64_t i = 0; i < k; ++i) {
    const int64_t g = groups[static_cast<size_t>(i)], wanted = i / arguments.group_size(k);
    if (ascending ? g == wanted : g >= 0 && g < arguments.groups(k)) continue;
    return fail(
        {.what = "the groups of inputs contradict group_size",
         .where = fmt::format("{}, tensor {}, input {}", directory.path().string(), name, i),
         .got = fmt::format("group {}", g),
         .wanted = ascending
                       ? fmt::format("group {}, of {} inputs each", wanted, arguments.group_size(k))
                       : fmt::format("0..{}, of {} inputs each", arguments.groups(k) - 1,
                                     arguments.group_size(k)),
         .remedy = "correct group_size, or fetch the files again"});
  }
  return !ascending;
}

const Format& format_in_runs(const Format& format) {
  if (!has_input_groups(format)) return format;
  std::string name(format.name);
  const Format* runs =
      find_format(name.replace(name.size() - act_order.size(), act_order.size(), "_asym"));
  CHECK(runs != nullptr);
  return *runs;
}

Tensor for_groups_of(const Format& format, const IntegerArguments& arguments, int64_t k,
                     Tensor of_groups) {
  const int64_t n = of_groups.shape()[0], from = arguments.groups(k), to = format.grid->groups(k);
  if (from == to) return of_groups;
  const int64_t parts = arguments.group / format.grid->group, size = dtype_bytes(of_groups.dtype());
  Tensor out(of_groups.dtype(), {n, to});
  if (rehearsing()) return out;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t g = 0; g < to; ++g)
      std::memcpy(out.data() + (i * to + g) * size,
                  of_groups.data() + (i * from + g / parts) * size, static_cast<size_t>(size));
  return out;
}

Tensor middle_zeros(int64_t n, int64_t groups, int bits) {
  Tensor out(DType::u8, {n, groups});
  if (!rehearsing())
    std::memset(out.data(), 1 << (bits - 1), static_cast<size_t>(out.shape().elements()));
  return out;
}

Result<QuantizedTensor> with_input_groups(const HuggingFaceDirectory& directory,
                                          const std::string& name, const Format& format,
                                          QuantizedTensor weight) {
  if (!has_input_groups(format)) return weight;
  weight.format = &format;
  weight.planes.push_back(TRY(tensor_of(directory, name, {DType::i32}, {weight.k})));
  if (!rehearsing())
    TRY(check_input_groups(weight, fmt::format("{}, tensor {}", directory.path().string(), name)));
  return weight;
}

QuantizedTensor integer_weight_of_planes(const Format& format, int64_t k, Tensor codes,
                                         Tensor scales, const Tensor& zeros) {
  const int64_t n = codes.shape()[0];
  QuantizedTensor out{&format, n, k, scales.dtype(), {}};
  const auto planes = format.planes(n, k, scales.dtype());
  CHECK(planes[0].shape == codes.shape() && planes[1].shape == scales.shape());
  out.planes.push_back(std::move(codes));
  out.planes.push_back(std::move(scales));
  if (!format.grid->zero_points) return out;
  if (rehearsing()) {
    out.planes.emplace_back(planes[2].dtype, planes[2].shape);
    return out;
  }
  // Rows of codes along k, the least significant bits first, in whole words.
  const auto packed = pack_codes(*find_packing("compressed_tensors"), zeros, format.grid->bits);
  CHECK(packed.has_value());
  out.planes.push_back(first_bytes(*packed, planes[2].shape[1]));
  return out;
}

QuantizedTensor integer_weight(const Format& format, int bits, Tensor codes, Tensor scales,
                               const Tensor& zeros) {
  const int64_t n = codes.shape()[0], k = codes.shape()[1];
  QuantizedTensor packed = empty_codes(format, n, k);
  if (!rehearsing()) {
    raise_codes(format, bits, codes.as<uint8_t>(), n * k);
    format.put_codes(packed, 0, n, codes.as<uint8_t>(), k);
  }
  return integer_weight_of_planes(format, k, std::move(packed.planes.front()), std::move(scales),
                                  zeros);
}

QuantizedTensor integer_weight(ThreadPool* pool, const Format& format, const StoredCodes& codes,
                               Tensor scales, const Tensor& zeros) {
  QuantizedTensor packed = empty_codes(format, codes.n, codes.k);
  const auto unpack = [&](Part part) {
    constexpr int64_t step = CodePacking::Outputs::step;
    const auto mine = part.range(codes.n, step);
    if (mine.begin == mine.end) return;
    std::vector<uint8_t> some(static_cast<size_t>(std::min(step, codes.n) * codes.k));
    for (int64_t n = mine.begin; n < mine.end; n += step) {
      const int64_t end = std::min(n + step, mine.end);
      codes.order->unpack(reinterpret_cast<const uint8_t*>(codes.packed.data()), codes.n, codes.k,
                          codes.bits, {n, end}, some.data());
      raise_codes(format, codes.bits, some.data(), (end - n) * codes.k);
      format.put_codes(packed, n, end, some.data(), codes.k);
    }
  };
  on_threads(pool, unpack);
  return integer_weight_of_planes(format, codes.k, std::move(packed.planes.front()),
                                  std::move(scales), zeros);
}

}  // namespace farthing
