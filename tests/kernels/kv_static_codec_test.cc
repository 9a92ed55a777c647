// Facts about int8_static, the codec of keys and values whose scales are fixed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
#include "kernels/attention/attention.h"

namespace farthing {
namespace {

constexpr int64_t head_dim = 40;  // whole vectors and a part of one

// One head's page of keys, and one of values, with the same rows in both.
class Page {
 public:
  explicit Page(float scale) : scale_(scale), keys_(bytes()), values_(bytes()) {}

  void put(int64_t position, const std::vector<float>& x) {
    encode_key(info(), x.data(), head_dim, position, scale_, keys_.data());
    encode_value(info(), x.data(), head_dim, position, scale_, values_.data());
  }
  std::vector<float> keys(Isa isa, int64_t positions) const {
    return decoded(choose_attention_kernel(isa)->decode_keys, keys_, positions);
  }
  std::vector<float> values(Isa isa, int64_t positions) const {
    return decoded(choose_attention_kernel(isa)->decode_values, values_, positions);
  }

  static const KvCodecInfo& info() { return kv_codec_info(KvCodec::int8_static); }

 private:
  static size_t bytes() { return static_cast<size_t>(info().page_bytes(head_dim)); }
  template <class Decode>
  std::vector<float> decoded(Decode decode, const std::vector<std::byte>& page,
                             int64_t positions) const {
    const std::byte* const pages[] = {page.data()};
    std::vector<float> out(static_cast<size_t>(positions * head_dim));
    decode({pages, 0, KvCodec::int8_static, scale_}, 0, head_dim, positions, out.data());
    return out;
  }
  float scale_;
  std::vector<std::byte> keys_, values_;
};

std::vector<float> row(uint64_t stream, float deviation) {
  std::vector<float> out(head_dim);
  for (size_t i = 0; i < out.size(); ++i) out[i] = deviation * random_normal(1, stream, i);
  return out;
}

// Nearest even of x / scale, at most 127 of them.
float rounded(float x, float scale) {
  return scale * std::max(-127.0f, std::min(127.0f, std::nearbyint(x / scale)));
}

TEST(KvInt8Static, DecodesToTheNearestStepsAndSaturates) {
  constexpr float scale = 0.03f;
  Page page(scale);
  std::vector<float> expected;
  int saturated = 0;
  for (int64_t p = 0; p < kv_page_positions; ++p) {
    const auto x = row(static_cast<uint64_t>(p), 1.5f);
    page.put(p, x);
    for (const float value : x) {
      expected.push_back(rounded(value, scale));
      saturated += std::fabs(value) > 127.5f * scale;
    }
  }
  EXPECT_GT(saturated, 10);
  for (const Isa isa : supported_isas()) {
    EXPECT_EQ(page.keys(isa, kv_page_positions), expected) << isa_name(isa);
    EXPECT_EQ(page.values(isa, kv_page_positions), expected) << isa_name(isa);
  }
}

// Halves go to the even neighbour: 0.5, 1.5, 2.5 steps to 0, 2, 2.
TEST(KvInt8Static, HalvesGoToTheEvenStep) {
  Page page(0.25f);
  std::vector<float> x(head_dim, 0.0f);
  x[0] = 0.125f, x[1] = 0.375f, x[2] = -0.625f;
  page.put(0, x);
  const auto got = page.values(supported_isas().back(), 1);
  EXPECT_EQ(got[0], 0.0f);
  EXPECT_EQ(got[1], 0.5f);
  EXPECT_EQ(got[2], -0.5f);
}

TEST(KvInt8Static, AVectorWithAnInfinityOrANanIsSeenAndTheOthersStay) {
  for (const float damage :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    Page page(0.03f);
    auto x = row(1, 1.0f);
    page.put(0, x);
    page.put(2, x);
    x[7] = damage;
    page.put(1, x);
    for (const Isa isa : supported_isas()) {
      const auto keys = page.keys(isa, 3), values = page.values(isa, 3);
      for (size_t i = 0; i < keys.size(); ++i) {
        const bool damaged = i / head_dim == 1;
        EXPECT_EQ(std::isnan(keys[i]), damaged) << isa_name(isa) << " " << i;
        EXPECT_EQ(std::isnan(values[i]), damaged) << isa_name(isa) << " " << i;
      }
    }
  }
}

TEST(KvInt8Static, APageHoldsNoScales) {
  const auto bytes = [](KvCodec codec) { return kv_codec_info(codec).page_bytes(64); };
  EXPECT_EQ(bytes(KvCodec::int8) - bytes(KvCodec::int8_static), kv_page_positions * 4);
}

}  // namespace
}  // namespace farthing
