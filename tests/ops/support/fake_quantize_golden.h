// Comparing the fake-quantization operators with what data/make_fake_quantize_golden.py wrote.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors/safetensors.h"
#include "ops/fake_quantize/fake_quantize.h"

namespace farthing::testing {

class FakeQuantizeGolden {
 public:
  explicit FakeQuantizeGolden(const std::filesystem::path& path)
      : file_(SafetensorsFile::open(path).value()) {}

  Tensor get(const std::string& name) const { return file_.tensor(name).value(); }
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const Tensor tensor = get(name);
    return {tensor.as<T>(), tensor.as<T>() + tensor.shape().elements()};
  }

 private:
  SafetensorsFile file_;
};

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

inline ops::AffineGrid grid_of(const FakeQuantizeGolden& golden, const std::string& name,
                               ops::ScaleSharing sharing) {
  const auto range = golden.values<int32_t>(name + ".range");
  return {sharing, range[0], range[1]};
}

// How many codes differ from torch's; each one is checked to be what the two quotients explain.
inline int64_t expect_torch_affine(Context& context, const FakeQuantizeGolden& golden,
                                   const std::string& name) {
  const Tensor x = golden.get(name + ".x"), theirs = golden.get(name + ".out");
  const Tensor out_gradient = golden.get(name + ".out_gradient");
  const Tensor their_gradient = golden.get(name + ".x_gradient");
  const auto scales = golden.values<float>(name + ".scales");
  const auto zeros = golden.values<int32_t>(name + ".zero_points");
  const int64_t columns = x.shape()[1];
  const ops::AffineGrid grid =
      grid_of(golden, name,
              {scales.size() == 1 ? ops::ScaleSharing::per_tensor : ops::ScaleSharing::per_row});
  Tensor out(DType::f32, x.shape()), gradient(DType::f32, x.shape());
  ops::fake_quantize_forward(context, x.view<float>(), grid, scales, zeros, out.view<float>());
  ops::fake_quantize_backward(context, x.view<float>(), grid, scales, zeros,
                              ops::OutsideGradient::clipped, out_gradient.view<float>(),
                              gradient.view<float>());
  int64_t different = 0;
  for (int64_t i = 0; i < x.shape().elements(); ++i) {
    const float ours = out.as<float>()[i], torch = theirs.as<float>()[i];
    const bool same = std::memcmp(&ours, &torch, sizeof ours) == 0;
    const float at = gradient.as<float>()[i];
    if (same && at == their_gradient.as<float>()[i]) continue;
    ++different;
    // Torch's x (1 / s) has two roundings, ours x / s one: both lie within 2 units of 2^-24 of the
    // exact quotient (2^-46: the roundings' product and this double). Only a tie between them can
    // part the codes, and then they are neighbours.
    const float s = scales[scales.size() == 1 ? 0 : i / columns];
    const double exact = static_cast<double>(x.as<float>()[i]) / s;
    const double from_tie = std::fabs(exact - std::floor(exact) - 0.5);
    EXPECT_LE(from_tie, std::fabs(exact) * (0x1p-23 + 0x1p-46)) << name << " " << i;
    EXPECT_LE(std::fabs(ours - torch), s * 1.0001f) << name << " " << i;
  }
  return different;
}

inline void expect_torch_lsq(Context& context, const FakeQuantizeGolden& golden,
                             const std::string& name, ops::ScaleSharing sharing) {
  const Tensor x = golden.get(name + ".x"), out_gradient = golden.get(name + ".out_gradient");
  const auto scales = golden.values<float>(name + ".scales");
  const ops::AffineGrid grid = grid_of(golden, name, sharing);
  const int64_t columns = x.shape()[1];
  Tensor out(DType::f32, x.shape());
  ops::lsq_forward(context, x.view<float>(), grid, scales, out.view<float>());
  EXPECT_TRUE(same_bits(out, golden.get(name + ".out"))) << name;
  for (auto [count, of] : {std::pair{ops::LsqCount::scale_elements, "scale"},
                           {ops::LsqCount::tensor_elements, "tensor"}}) {
    Tensor gradient(DType::f32, x.shape());
    std::vector<float> scale_gradient(scales.size());
    ops::lsq_backward(context, x.view<float>(), grid, scales, count, out_gradient.view<float>(),
                      gradient.view<float>(), scale_gradient);
    // Torch multiplies by s and divides by it: two roundings.
    const Tensor their_gradient = golden.get(name + ".x_gradient");
    for (int64_t i = 0; i < x.shape().elements(); ++i)
      EXPECT_NEAR(gradient.as<float>()[i], their_gradient.as<float>()[i],
                  std::fabs(gradient.as<float>()[i]) * (0x1p-23 + 0x1p-46))
          << name << " " << i;
    const auto expected = golden.values<float>(name + ".scale_gradient_of_" + of);
    // Torch adds dy round(x / s) and -dy s (x / s) / s apart, so both terms' magnitudes count: at
    // most |dy| 2 |qmin|. Units of 2^-24: 8 for the roundings of the terms and of g, and the
    // additions: ours in 16 lanes along rows and over rows, torch's tree no deeper than that.
    const double largest = 2.0 * -grid.qmin;
    std::vector<double> magnitudes(scales.size());
    std::vector<int64_t> shared(scales.size());
    for (int64_t i = 0; i < x.shape().elements(); ++i) {
      const int64_t r = i / columns, c = i % columns;
      const int64_t at = sharing.kind == ops::ScaleSharing::per_tensor ? 0
                         : sharing.kind == ops::ScaleSharing::per_row
                             ? r
                             : r * sharing.groups(columns) + c / sharing.group;
      ++shared[at];
      magnitudes[at] += std::fabs(out_gradient.as<float>()[i]) * largest;
    }
    for (size_t at = 0; at < scales.size(); ++at) {
      const int64_t elements = shared[at];
      const double counted = count == ops::LsqCount::scale_elements
                                 ? static_cast<double>(elements)
                                 : static_cast<double>(x.shape().elements());
      const double g = 1 / std::sqrt(counted * grid.qmax);
      const double depth =
          static_cast<double>(std::min(elements, (columns + x.shape()[0]) / 16 + 10));
      const double units = 8 + 2 * depth;
      EXPECT_NEAR(scale_gradient[at], expected[at], g * magnitudes[at] * units * 0x1p-24)
          << name << " " << at;
    }
  }
}

// Everything in the file; returns how many elements of the cases without a power of two differ.
inline int64_t expect_torch(Context& context, const std::filesystem::path& path) {
  const FakeQuantizeGolden golden(path);
  EXPECT_EQ(expect_torch_affine(context, golden, "tensor_power_of_two"), 0);
  EXPECT_EQ(expect_torch_affine(context, golden, "row_power_of_two"), 0);
  int64_t different = 0;
  for (const char* name : {"tensor", "tensor_8_bits", "row"})
    different += expect_torch_affine(context, golden, name);
  expect_torch_lsq(context, golden, "lsq_tensor", {ops::ScaleSharing::per_tensor});
  expect_torch_lsq(context, golden, "lsq_row", {ops::ScaleSharing::per_row});
  expect_torch_lsq(context, golden, "lsq_group", {ops::ScaleSharing::per_group, 16});

  const Tensor x = golden.get("int4.x"), out_gradient = golden.get("int4.out_gradient");
  Tensor out(DType::f32, x.shape()), gradient(DType::f32, x.shape());
  ops::int4_straight_through_forward(context, x.view<float>(), 16, out.view<float>());
  EXPECT_TRUE(same_bits(out, golden.get("int4.out")));
  ops::int4_straight_through_backward(context, out_gradient.view<float>(), gradient.view<float>());
  EXPECT_TRUE(same_bits(gradient, golden.get("int4.x_gradient")));
  return different;
}

}  // namespace farthing::testing
