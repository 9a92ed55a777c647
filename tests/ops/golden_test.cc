// Agreement with transformers' Llama operators; data/make_golden.py made the values.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "ops/attention/attention.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace farthing {
namespace {

const std::vector<float>& golden(const std::string& name) {
  static const auto all = [] {
    std::map<std::string, std::vector<float>> read;
    std::ifstream file(FARTHING_SOURCE_DIR "/tests/ops/data/golden.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string key, word;
      words >> key;
      while (words >> word) read[key].push_back(std::strtof(word.c_str(), nullptr));
    }
    return read;
  }();
  return all.at(name);
}

std::vector<float> normals(uint64_t stream, int64_t count) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(random_normal(11, stream, static_cast<uint64_t>(i)));
  return out;
}

View<float, 2> rows_of(std::vector<float>& values, int64_t columns) {
  return {values.data(), static_cast<int64_t>(values.size()) / columns, columns, columns};
}

class Golden : public testing::Test {
 protected:
  ContextOwner owner_{1, supported_isas().back()};
  Context& context_ = owner_.get();
};

TEST_F(Golden, RmsNorm) {
  auto x = normals(1, 3 * 96), out = x;
  const auto gain = normals(2, 96);
  Tensor weight(DType::f32, {96});
  std::copy(gain.begin(), gain.end(), weight.as<float>());
  ops::rms_norm_forward(context_, rows_of(x, 96), weight, 0.0f, 1e-5f, rows_of(out, 96));
  const auto& expected = golden("rms_norm");
  ASSERT_EQ(out.size(), expected.size());
  // The two sums differ in order and in their square root (ours 1 / sqrt, theirs rsqrt): 12
  // additions a lane and a tree of 4 against an unknown one, halved by the root, then five
  // roundings: 16 units of 2^-24 hold both.
  for (size_t i = 0; i < out.size(); ++i)
    EXPECT_NEAR(out[i], expected[i], std::fabs(expected[i]) * 16 * 0x1p-24) << i;
}

struct RopeCase {
  std::string name;
  int64_t head_dim;
  RopeParameters parameters;
};

std::vector<RopeCase> rope_cases() {
  return {{"default", 16, {}},
          {"smollm2", 64, {.theta = 100000.0}},
          {"linear", 16, {.scaling = RopeScaling::linear, .factor = 4.0}},
          {"llama3", 128, {.theta = 500000.0, .scaling = RopeScaling::llama3, .factor = 8.0}}};
}

TEST_F(Golden, RopeFrequenciesAgreeToTwoUnitsInTheLastPlace) {
  for (const RopeCase& c : rope_cases()) {
    const RopeTable table(c.parameters, c.head_dim);
    const auto& expected = golden("frequencies_" + c.name);
    ASSERT_EQ(table.frequencies().size(), expected.size());
    // torch's f32 power errs by up to one unit, ours by half; blending keeps that
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(table.frequencies()[i], expected[i], expected[i] * 2 * 0x1p-23)
          << c.name << " " << i;
  }
}

TEST_F(Golden, RopeAnglesAgree) {
  const int64_t positions[] = {0, 1, 777, 8191, 131071};
  for (const RopeCase& c : rope_cases()) {
    RopeTable table(c.parameters, c.head_dim);
    table.reserve(positions[4] + 1);
    const auto &cos = golden("cos_" + c.name), &sin = golden("sin_" + c.name);
    const auto& frequencies = golden("frequencies_" + c.name);
    const int64_t pairs = c.head_dim / 2;
    for (int64_t p = 0; p < 5; ++p) {
      for (int64_t i = 0; i < pairs; ++i) {
        // where the frequencies are equal so are the angles, and the functions' roundings remain;
        // else the difference of the frequencies is multiplied by the position, and one more
        // rounding of the angle
        const double angle = positions[p] * static_cast<double>(frequencies[i]);
        const bool equal = frequencies[i] == table.frequencies()[i];
        const double tolerance = 2 * 0x1p-24 + (equal ? 0.0 : angle * 3 * 0x1p-23);
        EXPECT_NEAR(table.cos(positions[p])[i], cos[p * pairs + i], tolerance)
            << c.name << " " << positions[p] << " " << i;
        EXPECT_NEAR(table.sin(positions[p])[i], sin[p * pairs + i], tolerance)
            << c.name << " " << positions[p] << " " << i;
      }
    }
  }
}

TEST_F(Golden, RotatedHeads) {
  auto x = normals(3, 3 * 2 * 16);
  RopeTable table({}, 16);
  const int32_t positions[] = {5, 6, 7};
  ops::rope_forward(context_, table, positions, 16, rows_of(x, 32));
  const auto& expected = golden("rotated");
  ASSERT_EQ(x.size(), expected.size());
  // |x| < 6; angles below 7 may differ by a unit of frequency, sine and cosine by a rounding, the
  // result by three
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(x[i], expected[i], 6 * (7 * 0x1p-23 + 4 * 0x1p-24)) << i;
}

TEST_F(Golden, Attention) {
  const int64_t tokens = 300, heads = 6, kv_heads = 2, head_dim = 32;
  auto q = normals(4, tokens * heads * head_dim), out = q;
  auto k = normals(5, tokens * kv_heads * head_dim), v = normals(6, tokens * kv_heads * head_dim);
  KvCache cache({1, kv_heads, head_dim}, tokens);
  cache.append(context_, 0, 0, rows_of(k, kv_heads * head_dim), rows_of(v, kv_heads * head_dim));
  const ops::AttentionSequence sequence{&cache, 0, tokens};
  ops::attention_forward(context_, rows_of(q, heads * head_dim), {&sequence, 1}, 0,
                         {1.0f / std::sqrt(static_cast<float>(head_dim))},
                         rows_of(out, heads * head_dim));
  const auto& expected = golden("attention");
  const int64_t rows[] = {0, 1, 255, 256, 299};
  for (int64_t r = 0; r < 5; ++r) {
    for (int64_t i = 0; i < heads * head_dim; ++i) {
      // Scores below 8 in magnitude, of 32 products: both sides err by up to 32 * 8 * 2^-24 = 2^-16
      // in an exponent; both sums over 300 keys by a few 2^-20; outputs below 4. Twice 4 * (2^-16 +
      // 2^-19).
      EXPECT_NEAR(out[rows[r] * heads * head_dim + i], expected[r * heads * head_dim + i],
                  8 * (0x1p-16 + 0x1p-19))
          << rows[r] << " " << i;
    }
  }
}

}  // namespace
}  // namespace farthing
