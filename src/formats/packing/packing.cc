// The run-time table of packings, and the checks before anything is packed or unpacked.
#include "formats/packing/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/on_threads.h"

namespace farthing {

#define FARTHING_PACKING(name) CodePacking name##_packing();
#include "formats/packing/packings.inc"
#undef FARTHING_PACKING

namespace {

CodePacking named(std::string_view name, CodePacking packing) {
  packing.name = name;
  return packing;
}

std::string text_of(std::span<const int> numbers) {
  std::string out;
  for (const int number : numbers) out += fmt::format("{}{}", out.empty() ? "" : ", ", number);
  return out;
}

std::string where(const CodePacking& packing, int64_t n, int64_t k, int bits) {
  return fmt::format("packing {}, {} bits, codes [{}, {}]", packing.name, bits, n, k);
}

// Every code of `codes` can be stored in `bits` bits, and is not below the packing's least.
Result<> check_codes(const CodePacking& packing, const Tensor& codes, int bits) {
  const auto* begin = codes.as<uint8_t>();
  const auto* end = begin + codes.shape().elements();
  unsigned any = 0;
  for (const auto* at = begin; at != end; ++at) any |= *at;
  if (any >> bits == 0 && packing.least_code == 0) return {};
  const int highest = (1 << bits) - 1;
  const auto* bad = std::find_if(
      begin, end, [&](uint8_t code) { return code > highest || code < packing.least_code; });
  if (bad == end) return {};
  const int64_t k = codes.shape()[1];
  const bool too_small = *bad < packing.least_code;
  return fail(
      {.what = too_small ? "the packing has no place for a zero point of 0"
                         : "a code does not fit into its bits",
       .where = where(packing, codes.shape()[0], k, bits),
       .got = fmt::format("{} at row {}, column {}", *bad, (bad - begin) / k, (bad - begin) % k),
       .wanted = fmt::format("{}..{}", packing.least_code, highest),
       .remedy = too_small ? "take gptq_v2 (gptq_v2_zeros): it stores every zero point as it is"
                           : "pass unsigned codes: a signed code plus 2^(bits-1)"});
}

Result<Tensor> pack_checked(const CodePacking& packing, const Tensor& codes, int bits) {
  const int64_t n = codes.shape()[0], k = codes.shape()[1];
  Tensor out(packing.dtype, packing.shape(n, k, bits));
  packing.pack(codes.as<uint8_t>(), n, k, bits, reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

}  // namespace

std::span<const CodePacking> all_packings() {
  static const std::array table = {
#define FARTHING_PACKING(name) named(#name, name##_packing()),
#include "formats/packing/packings.inc"
#undef FARTHING_PACKING
  };
  return table;
}

const CodePacking* find_packing(std::string_view name) {
  for (const CodePacking& packing : all_packings())
    if (packing.name == name) return &packing;
  return nullptr;
}

std::string packing_names() {
  std::string out;
  for (const CodePacking& packing : all_packings())
    out += (out.empty() ? "" : ", ") + std::string(packing.name);
  return out;
}

Result<Shape> packed_shape(const CodePacking& packing, int64_t n, int64_t k, int bits) {
  if (std::ranges::find(packing.bits, bits) == packing.bits.end()) {
    return fail({.what = "the packing does not exist for codes of this width",
                 .where = where(packing, n, k, bits),
                 .got = fmt::format("{} bits", bits),
                 .wanted = fmt::format("one of {}", text_of(packing.bits)),
                 .remedy = "choose another packing: compressed_tensors takes every width"});
  }
  constexpr int64_t most_codes = int64_t{1} << 56;  // no size below overflows
  if (n < 1 || k < 1 || n > most_codes / k) {
    return fail({.what = "the codes have no size, or one beyond every memory",
                 .where = where(packing, n, k, bits),
                 .got = fmt::format("[{}, {}]", n, k),
                 .wanted = "two positive sizes",
                 .remedy = "check the shape that the file gives the weight"});
  }
  const CodePacking::Multiples of = packing.multiples(bits);
  if (n % of.n != 0 || k % of.k != 0) {
    return fail(
        {.what = "the packing has no place for a matrix of this shape",
         .where = where(packing, n, k, bits),
         .got = fmt::format("[{}, {}]", n, k),
         .wanted = fmt::format("multiples of {} and {}", of.n, of.k),
         .remedy = "pad the matrix, or choose compressed_tensors, which takes every shape"});
  }
  return packing.shape(n, k, bits);
}

Result<Tensor> pack_codes(const CodePacking& packing, const Tensor& codes, int bits) {
  if (codes.dtype() != DType::u8 || codes.shape().rank() != 2) {
    return fail({.what = "these are not codes to pack",
                 .where = fmt::format("packing {}, {} bits", packing.name, bits),
                 .got = fmt::format("{} {}", dtype_name(codes.dtype()), codes.shape().text()),
                 .wanted = "U8 [n, k]",
                 .remedy = "give each code a byte of its own"});
  }
  TRY(packed_shape(packing, codes.shape()[0], codes.shape()[1], bits));
  TRY(check_codes(packing, codes, bits));
  return pack_checked(packing, codes, bits);
}

namespace {

// Whether the packed tensor is what so many codes need.
Result<> check_packed(const CodePacking& packing, const Tensor& packed, int64_t n, int64_t k,
                      int bits) {
  const Shape shape = TRY(packed_shape(packing, n, k, bits));
  if (packed.dtype() == packing.dtype && packed.shape() == shape) return {};
  return fail({.what = "the packed tensor has another type or shape than its codes need",
               .where = where(packing, n, k, bits),
               .got = fmt::format("{} {}", dtype_name(packed.dtype()), packed.shape().text()),
               .wanted = fmt::format("{} {}", dtype_name(packing.dtype), shape.text()),
               .remedy = "check the packing, the bits and the weight's shape"});
}

}  // namespace

Result<Tensor> unpack_codes(const CodePacking& packing, const Tensor& packed, int64_t n, int64_t k,
                            int bits) {
  TRY(check_packed(packing, packed, n, k, bits));
  Tensor out(DType::u8, {n, k});
  packing.unpack(reinterpret_cast<const uint8_t*>(packed.data()), n, k, bits, {0, n},
                 out.as<uint8_t>());
  return out;
}

Result<Tensor> repack(const CodePacking& from, const CodePacking& to, const Tensor& packed,
                      int64_t n, int64_t k, int bits, ThreadPool* pool) {
  if (from.holds != to.holds) {
    const auto text = [](const CodePacking& p) {
      return fmt::format("{} holds {}", p.name,
                         p.holds == CodePacking::Holds::weights ? "weights" : "zero points");
    };
    return fail({.what = "the two packings hold different things",
                 .where = fmt::format("repacking from {} to {}", from.name, to.name),
                 .got = text(to),
                 .wanted = text(from),
                 .remedy = "weights and zero points are repacked each by packings of their own"});
  }
  const Shape shape = TRY(packed_shape(to, n, k, bits));  // before the work
  if (to.pack_rows != nullptr && from.name == "compressed_tensors") {
    TRY(check_packed(from, packed, n, k, bits));
    Tensor out(to.dtype, shape);
    on_threads(pool, [&](Part part) {
      const auto [begin, end] = part.range(k, CodePacking::Inputs::step);
      to.pack_rows(reinterpret_cast<const uint8_t*>(packed.data()), n, k, {begin, end},
                   reinterpret_cast<uint8_t*>(out.data()));
    });
    return out;
  }
  const Tensor codes = TRY(unpack_codes(from, packed, n, k, bits));
  if (to.least_code > 0) TRY(check_codes(to, codes, bits));
  return pack_checked(to, codes, bits);
}

}  // namespace farthing
