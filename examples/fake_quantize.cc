// Fake quantization by hand: one row through min-max, INT4 straight-through and two LSQ steps,
// printed.
#include <cstdio>
#include <string>
#include <vector>

#include "ops/fake_quantize/affine_codes.h"

using namespace farthing;

namespace {

void print(const char* name, const std::vector<float>& values) {
  std::printf("%-22s", name);
  for (float value : values) std::printf(" %8.4f", value);
  std::printf("\n");
}

// One row as the matrix that operators take.
View<float, 2> row(std::vector<float>& values) {
  const auto columns = static_cast<int64_t>(values.size());
  return {values.data(), 1, columns, columns};
}

}  // namespace

int main() {
  ContextOwner owner(1, supported_isas().back());
  Context& context = owner.get();
  std::vector<float> x = {-1.5f, -0.4f, 0.0f, 0.3f, 0.8f, 2.0f, 3.1f, 6.0f}, out(x.size());
  print("x", x);

  // Asymmetric, one scale for the tensor: S = (6 + 1.5) / 15, Z = round(1.5 / S).
  std::vector<float> scales(1);
  std::vector<int32_t> zeros(1);
  ops::choose_affine_parameters(context, row(x), {}, 4, ScaleRule::min_max, scales, zeros);
  const ops::AffineGrid grid = ops::affine_grid({}, 4, ScaleRule::min_max);
  std::printf("min_max: S %.4f, Z %d, codes %d..%d\n", scales[0], zeros[0], grid.qmin, grid.qmax);
  ops::fake_quantize_forward(context, row(x), grid, scales, zeros, row(out));
  print("fake quantized", out);

  // The codes Q = round(R / S) + Z, by every way to round.
  std::vector<int32_t> codes(x.size());
  const auto columns = static_cast<int64_t>(x.size());
  for (const ops::Rounding rounding : ops::all_roundings) {
    ops::affine_quantize(context, row(x), grid, scales, zeros, rounding,
                         {codes.data(), 1, columns, columns});
    std::printf("codes, %-14s", std::string(ops::rounding_name(rounding)).c_str());
    for (const int32_t code : codes) std::printf(" %8d", code);
    std::printf("\n");
  }

  // Two groups of four, each with its own amax / 7.
  ops::int4_straight_through_forward(context, row(x), 4, row(out));
  print("INT4 in groups of 4", out);

  // LSQ: learn the scale that brings out nearest to x; loss = sum (out - x)^2 / 2.
  const ops::AffineGrid signed_grid{{}, -8, 7};
  ops::lsq_start_scales(context, row(x), signed_grid, ops::LsqStart::mean, scales);
  for (int step = 0; step <= 2; ++step) {
    ops::lsq_forward(context, row(x), signed_grid, scales, row(out));
    std::vector<float> out_gradient(x.size()), x_gradient(x.size()), scale_gradient(1);
    float loss = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      out_gradient[i] = out[i] - x[i];
      loss += out_gradient[i] * out_gradient[i] / 2;
    }
    ops::lsq_backward(context, row(x), signed_grid, scales, ops::LsqCount::scale_elements,
                      row(out_gradient), row(x_gradient), scale_gradient);
    std::printf("LSQ step %d: s %.4f, loss %.4f, gradient of s %.4f\n", step, scales[0], loss,
                scale_gradient[0]);
    if (step == 2) print("x's gradient", x_gradient);
    scales[0] -= 0.1f * scale_gradient[0];
  }
  print("LSQ", out);
  return 0;
}
