// Packings: known words, refusals, and over the whole list both ways on random codes and against
// what other programs make of the same codes (data/make_golden_packing.py).
#include "formats/packing/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

using Words = std::vector<uint32_t>;
using Sizes = std::pair<int64_t, int64_t>;  // n, k

const CodePacking& packing(std::string_view name) { return *find_packing(name); }

Tensor all_of(int64_t n, int64_t k, int code) {
  Tensor out(DType::u8, {n, k});
  std::memset(out.data(), code, static_cast<size_t>(n * k));
  return out;
}

// Codes i % 2^bits.
Tensor counting(int64_t n, int64_t k, int bits) {
  Tensor out(DType::u8, {n, k});
  for (int64_t i = 0; i < n * k; ++i) out.as<uint8_t>()[i] = static_cast<uint8_t>(i % (1 << bits));
  return out;
}

Words words_of(const Tensor& packed) {
  const auto* words = packed.as<uint32_t>();
  return {words, words + packed.shape().elements()};
}

// The words of one output.
Words row(std::string_view name, int count, int bits) {
  return words_of(pack_codes(packing(name), counting(1, count, bits), bits).value());
}
// The words of one input, or of one group.
Words column(std::string_view name, int count, int bits) {
  return words_of(pack_codes(packing(name), counting(count, 1, bits), bits).value());
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

TEST(Packing, FourBitsAreLsbFirst) {
  EXPECT_EQ(row("gptq", 8, 4), Words{0x76543210});
  EXPECT_EQ(row("compressed_tensors", 8, 4), Words{0x76543210});
  EXPECT_EQ(column("gptq_v2_zeros", 8, 4), Words{0x76543210});
  EXPECT_EQ(column("compressed_tensors_zeros", 8, 4), Words{0x76543210});
}

TEST(Packing, AwqHasEvenOutputsInTheLowerHalf) {
  EXPECT_EQ(column("awq", 8, 4), Words{0x75316420});
  EXPECT_EQ(column("awq_zeros", 8, 4), Words{0x75316420});
}

TEST(Packing, EightAndTwoBitsAreLsbFirst) {
  for (const auto* name : {"gptq", "compressed_tensors"}) {
    EXPECT_EQ(row(name, 4, 8), Words{0x03020100});
    EXPECT_EQ(row(name, 16, 2), Words{0xe4e4e4e4});
  }
}

TEST(Packing, ThreeBitsCrossWords) {
  const Words stream = {0x88fac688, 0xc688fac6, 0xfac688fa};
  EXPECT_EQ(row("gptq", 32, 3), stream);
  EXPECT_EQ(column("gptq_v2_zeros", 32, 3), stream);
  EXPECT_EQ(row("compressed_tensors", 32, 3), stream);
}

TEST(Packing, FiveBitsCrossWords) {
  EXPECT_EQ(row("compressed_tensors", 32, 5),
            (Words{0x8a418820, 0xc5a92839, 0xca307b9a, 0x38bdab49, 0xffbbcdeb}));
}

TEST(Packing, LegacyThreeBitsStayInTheirWord) {
  EXPECT_EQ(row("compressed_tensors_legacy", 32, 3),
            (Words{0x08fac688, 0x1a23eb1a, 0x2c688fac, 0x0000003e}));
}

TEST(Packing, PlanarCodesAreSplitIntoPlanes) {
  EXPECT_EQ(row("gptq_planar", 32, 3), (Words{0xe4e4e4e4, 0xe4e4e4e4, 0xf0f0f0f0}));
  EXPECT_EQ(row("gptq_planar", 32, 5),
            (Words{0x76543210, 0xfedcba98, 0x76543210, 0xfedcba98, 0xffff0000}));
}

TEST(Packing, GptqSymmetricZerosAreLessOneInVersion1) {
  const auto word = [](const char* name, int bits) {
    return words_of(pack_codes(packing(name), all_of(32 / bits, 1, 1 << (bits - 1)), bits).value());
  };
  EXPECT_EQ(word("gptq_v1_zeros", 4), Words{0x77777777});
  EXPECT_EQ(word("gptq_v1_zeros", 8), Words{0x7f7f7f7f});
  EXPECT_EQ(word("gptq_v2_zeros", 4), Words{0x88888888});
  EXPECT_EQ(word("gptq_v2_zeros", 8), Words{0x80808080});
}

// A program that let 0 - 1 wrap wrote it: zero = (field + 1) mod 2^bits.
TEST(Packing, GptqVersion1FieldOfOnesIsReadAsZero) {
  for (const int bits : packing("gptq_v1_zeros").bits) {
    Tensor packed(DType::i32, {1, bits});
    std::memset(packed.data(), 0xff, static_cast<size_t>(packed.bytes()));
    const Tensor codes = unpack_codes(packing("gptq_v1_zeros"), packed, 32, 1, bits).value();
    EXPECT_TRUE(same(codes, all_of(32, 1, 0))) << bits;
  }
}

TEST(Packing, BitsandbytesHasTheFirstCodeInTheHighNibble) {
  const Tensor packed = pack_codes(packing("bitsandbytes"), counting(1, 5, 4), 4).value();
  ASSERT_EQ(packed.shape(), (Shape{3, 1}));
  EXPECT_EQ(packed.as<uint8_t>()[0], 0x01);
  EXPECT_EQ(packed.as<uint8_t>()[1], 0x23);
  EXPECT_EQ(packed.as<uint8_t>()[2], 0x40);
}

struct Case {
  std::string name;
  int bits;
};

class EveryPacking : public ::testing::TestWithParam<Case> {
 protected:
  const CodePacking& it() const { return packing(GetParam().name); }
  int bits() const { return GetParam().bits; }
  int highest() const { return (1 << bits()) - 1; }
  CodePacking::Multiples of() const { return it().multiples(bits()); }

  // Shapes that the packing takes: the least, and some around the pieces that the work is done in.
  std::vector<Sizes> shapes() const {
    std::vector<Sizes> out = {{of().n, of().k}};
    for (const auto& [n, k] : {Sizes{3, 37}, {64, 256}, {67, 300}, {300, 67}})
      out.emplace_back((n + of().n - 1) / of().n * of().n, (k + of().k - 1) / of().k * of().k);
    return out;
  }
  Tensor random_codes(int64_t n, int64_t k, uint64_t seed) const {
    Tensor out(DType::u8, {n, k});
    for (int64_t i = 0; i < n * k; ++i) {
      const auto random = static_cast<int>(random_bits(seed, 1, static_cast<uint64_t>(i)) >> 40);
      out.as<uint8_t>()[i] = static_cast<uint8_t>(std::max(random & highest(), it().least_code));
    }
    return out;
  }
  Tensor packed(const Tensor& codes) const { return pack_codes(it(), codes, bits()).value(); }
  Tensor unpacked(const Tensor& packed, int64_t n, int64_t k) const {
    return unpack_codes(it(), packed, n, k, bits()).value();
  }
};

TEST_P(EveryPacking, UnpacksWhatItPacked) {
  for (const auto& [n, k] : shapes()) {
    const Tensor codes = random_codes(n, k, 7), words = packed(codes);
    EXPECT_EQ(words.dtype(), it().dtype);
    EXPECT_EQ(words.shape(), packed_shape(it(), n, k, bits()).value());
    EXPECT_TRUE(same(unpacked(words, n, k), codes)) << n << " x " << k;
  }
}

TEST_P(EveryPacking, PacksWhatItUnpacked) {
  for (const auto& [n, k] : shapes()) {
    // Random wherever codes put a bit. (The highest code of gptq_v1_zeros leaves each field's
    // lowest bit 0, so that no field is all ones.)
    Tensor words = packed(all_of(n, k, highest()));
    auto* bytes = reinterpret_cast<uint8_t*>(words.data());
    for (int64_t i = 0; i < words.bytes(); ++i)
      bytes[i] &= static_cast<uint8_t>(random_bits(9, 1, static_cast<uint64_t>(i)) >> 40);
    EXPECT_TRUE(same(packed(unpacked(words, n, k)), words)) << n << " x " << k;
  }
}

TEST_P(EveryPacking, SomeOutputsUnpackAsThePartOfAll) {
  if (it().holds == CodePacking::Holds::zero_points) return;
  constexpr int64_t step = CodePacking::Outputs::step, n = 2 * step + 64;
  const int64_t k = 5 * of().k + (of().k == 1 ? 70 : 0);
  const Tensor codes = random_codes(n, k, 13), words = packed(codes);
  const auto* from = reinterpret_cast<const uint8_t*>(words.data());
  for (const auto& [begin, end] : {Sizes{0, step}, {step, 2 * step}, {step, n}, {2 * step, n}}) {
    std::vector<uint8_t> some(static_cast<size_t>((end - begin) * k) + 1, 255);
    it().unpack(from, n, k, bits(), {begin, end}, some.data());
    EXPECT_EQ(std::memcmp(some.data(), codes.as<uint8_t>() + begin * k, some.size() - 1), 0)
        << begin << " to " << end;
    EXPECT_EQ(some.back(), 255);
  }
}

TEST_P(EveryPacking, PaddingIsNotLookedAt) {
  if (it().least_code > 0) return;  // has none; and its highest code is not all ones
  for (const auto& [n, k] : shapes()) {
    const Tensor codes = random_codes(n, k, 10), used = packed(all_of(n, k, highest()));
    Tensor words = packed(codes);
    for (int64_t i = 0; i < words.bytes(); ++i) words.data()[i] |= ~used.data()[i];
    EXPECT_TRUE(same(unpacked(words, n, k), codes)) << n << " x " << k;
  }
}

TEST_P(EveryPacking, RepackedToEveryOtherAndBackIsTheSame) {
  for (const CodePacking& other : all_packings()) {
    if (other.holds != it().holds || std::ranges::find(other.bits, bits()) == other.bits.end())
      continue;
    const auto others = other.multiples(bits());
    const int64_t n = 2 * std::lcm(of().n, others.n), k = 3 * std::lcm(of().k, others.k);
    Tensor codes = random_codes(n, k, 11);
    for (int64_t i = 0; i < n * k; ++i)
      codes.as<uint8_t>()[i] =
          static_cast<uint8_t>(std::max<int>(codes.as<uint8_t>()[i], other.least_code));
    const Tensor here = packed(codes), there = repack(it(), other, here, n, k, bits()).value();
    EXPECT_TRUE(same(there, pack_codes(other, codes, bits()).value())) << other.name;
    EXPECT_TRUE(same(repack(other, it(), there, n, k, bits()).value(), here)) << other.name;
  }
}

TEST_P(EveryPacking, HasTheWordsOfTheOtherProgram) {
  const auto file =
      SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/golden_packing.safetensors")
          .value();
  const std::string whole =
      it().holds == CodePacking::Holds::weights ? "codes" : "zeros";  // of 8 bits
  int compared = 0;
  for (const std::string part : {"", ".ragged"}) {
    const auto theirs = file.tensor(GetParam().name + part + "." + std::to_string(bits()));
    if (!theirs) continue;
    const auto own = file.tensor(GetParam().name + part + ".codes");
    const Tensor from = own ? *own : file.tensor(part.empty() ? whole : "ragged").value();
    Tensor codes(DType::u8, from.shape());
    for (int64_t i = 0; i < codes.bytes(); ++i)
      codes.as<uint8_t>()[i] =
          static_cast<uint8_t>(std::max(from.as<uint8_t>()[i] & highest(), it().least_code));
    EXPECT_TRUE(same(packed(codes), *theirs)) << part;
    EXPECT_TRUE(same(unpacked(*theirs, codes.shape()[0], codes.shape()[1]), codes)) << part;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

TEST_P(EveryPacking, ACodeThatIsTooLargeIsRefusedWithItsPlace) {
  if (bits() == 8) return;  // a byte has no more
  const int64_t n = of().n, k = 3 * of().k;
  for (int64_t i = 0; i < n * k; i += 1 + n * k / 17) {
    Tensor codes = random_codes(n, k, 12);
    codes.as<uint8_t>()[i] = static_cast<uint8_t>(1 << bits());
    const auto refused = pack_codes(it(), codes, bits());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "a code does not fit into its bits");
    EXPECT_EQ(refused.error().got, std::to_string(1 << bits()) + " at row " +
                                       std::to_string(i / k) + ", column " + std::to_string(i % k));
  }
}

TEST_P(EveryPacking, AShapeThatItHasNoPlaceForIsRefused) {
  std::vector<Sizes> bad = {{0, of().k}, {of().n, -of().k}, {int64_t{1} << 40, int64_t{1} << 40}};
  if (of().n > 1) bad.emplace_back(of().n + 1, of().k);
  if (of().k > 1) bad.emplace_back(of().n, of().k - 1);
  for (const auto& [n, k] : bad) {
    EXPECT_FALSE(packed_shape(it(), n, k, bits())) << n << " x " << k;
    EXPECT_FALSE(unpack_codes(it(), Tensor(it().dtype, {1, 1}), n, k, bits()));
    if (n == of().n + 1 || k == of().k - 1) {
      EXPECT_FALSE(pack_codes(it(), random_codes(n, k, 1), bits()));
    }
  }
}

TEST_P(EveryPacking, APackedTensorOfAnotherShapeOrTypeIsRefused) {
  const auto [n, k] = of();
  const Shape shape = packed_shape(it(), n, k, bits()).value();
  EXPECT_TRUE(unpack_codes(it(), Tensor(it().dtype, shape), n, k, bits()));
  for (const Shape& other : {Shape{shape[0] + 1, shape[1]}, Shape{shape[0], shape[1] + 1},
                             Shape{shape.elements()}, Shape{1, shape[0], shape[1]}}) {
    const auto refused = unpack_codes(it(), Tensor(it().dtype, other), n, k, bits());
    ASSERT_FALSE(refused) << other.text();
    EXPECT_NE(refused.error().wanted.find(shape.text()), std::string::npos);
  }
  EXPECT_FALSE(unpack_codes(it(), Tensor(DType::f32, shape), n, k, bits()));
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const CodePacking& p : all_packings())
    for (const int bits : p.bits) out.push_back({std::string(p.name), bits});
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, EveryPacking, ::testing::ValuesIn(all_cases()), [](const auto& info) {
  return info.param.name + "_" + std::to_string(info.param.bits);
});

TEST(Packing, WidthsThatItDoesNotHaveAreRefused) {
  for (const CodePacking& p : all_packings()) {
    for (int bits = -1; bits <= 33; ++bits) {
      const bool has = std::ranges::find(p.bits, bits) != p.bits.end();
      EXPECT_EQ(packed_shape(p, 64, 64, bits).has_value(), has) << p.name << " " << bits;
      EXPECT_EQ(pack_codes(p, all_of(64, 64, 1), bits).has_value(), has) << p.name << " " << bits;
    }
  }
  EXPECT_EQ(packed_shape(packing("gptq"), 64, 64, 5).error().wanted, "one of 2, 3, 4, 8");
}

TEST(Packing, GptqVersion1RefusesAZeroPointOfZero) {
  const CodePacking &awq = packing("awq_zeros"), &gptq = packing("gptq_v1_zeros");
  Tensor zeros = all_of(8, 2, 8);
  zeros.as<uint8_t>()[5] = 0;
  const auto packed = pack_codes(gptq, zeros, 4);
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().got, "0 at row 2, column 1");
  EXPECT_NE(packed.error().remedy.find("gptq_v2_zeros"), std::string::npos);
  const auto repacked = repack(awq, gptq, pack_codes(awq, zeros, 4).value(), 8, 2, 4);
  ASSERT_FALSE(repacked);
  EXPECT_EQ(repacked.error().text(), packed.error().text());
}

TEST(Packing, WhatAnotherProgramsVersion1WrappedIsNotWrittenAgain) {
  const CodePacking& gptq = packing("gptq_v1_zeros");
  Tensor wrapped(DType::i32, {1, 1});
  wrapped.as<int32_t>()[0] = -1;
  EXPECT_TRUE(repack(gptq, packing("gptq_v2_zeros"), wrapped, 8, 1, 4));
  EXPECT_FALSE(repack(gptq, gptq, wrapped, 8, 1, 4));
}

TEST(Packing, WeightsAreNotRepackedAsZeroPoints) {
  const Tensor weights = pack_codes(packing("awq"), counting(8, 8, 4), 4).value();
  EXPECT_FALSE(repack(packing("awq"), packing("gptq_v2_zeros"), weights, 8, 8, 4));
}

TEST(Packing, CodesAreBytesInRowsAndColumns) {
  EXPECT_FALSE(pack_codes(packing("gptq"), Tensor(DType::i8, {8, 8}), 4));
  EXPECT_FALSE(pack_codes(packing("gptq"), Tensor(DType::u8, {64}), 4));
}

// 150 inputs are two whole pieces of the work and a rest, 136 outputs one and a rest.
TEST(Packing, AnyNumberOfThreadsPutsRowsInOrderForAwq) {
  const int64_t n = 136, k = 150;
  Tensor codes(DType::u8, {n, k});
  for (int64_t i = 0; i < n * k; ++i)
    codes.as<uint8_t>()[i] =
        static_cast<uint8_t>(random_bits(5, 1, static_cast<uint64_t>(i)) >> 40 & 15);
  const Tensor rows = pack_codes(packing("compressed_tensors"), codes, 4).value();
  const Tensor wanted = pack_codes(packing("awq"), codes, 4).value();
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    const auto& from = packing("compressed_tensors");
    EXPECT_TRUE(same(repack(from, packing("awq"), rows, n, k, 4, &pool).value(), wanted))
        << threads;
  }
}

TEST(Packing, NamesAreFound) {
  for (const CodePacking& p : all_packings()) EXPECT_EQ(find_packing(p.name), &p);
  EXPECT_EQ(find_packing("gptq_v3"), nullptr);
  EXPECT_NE(packing_names().find("marlin, marlin_zeros"), std::string::npos);
}

}  // namespace
}  // namespace farthing
