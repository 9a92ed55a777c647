// Codes of affine grids, with every way to round.
#include "ops/fake_quantize/affine_codes.h"

#include <array>
#include <numeric>

#include "ops/fake_quantize/scale_segments.h"

namespace farthing::ops {

using namespace scale_segments;

namespace {

constexpr std::array<std::string_view, std::size(all_roundings)> names = {
    "half_even", "half_away", "half_up", "down", "up", "toward_zero"};

// Of |t| < 2^22, without libm.
float whole_of(float t, Rounding rounding) {
  const float truncated = static_cast<float>(static_cast<int32_t>(t));
  const float below = truncated > t ? truncated - 1 : truncated;
  switch (rounding) {
    case Rounding::half_even:
      return round_even(t);
    case Rounding::half_away:
      if (t < 0) return -whole_of(-t, Rounding::half_up);
      [[fallthrough]];
    case Rounding::half_up:
      return below + (t - below >= 0.5f ? 1.0f : 0.0f);
    case Rounding::down:
      return below;
    case Rounding::up:
      return below + (below < t ? 1.0f : 0.0f);
    case Rounding::toward_zero:
      return truncated;
  }
  return t;
}

}  // namespace

std::string_view rounding_name(Rounding rounding) { return names[static_cast<size_t>(rounding)]; }

std::optional<Rounding> find_rounding(std::string_view name) {
  for (const Rounding rounding : all_roundings)
    if (rounding_name(rounding) == name) return rounding;
  return std::nullopt;
}

int64_t affine_quantize(Context& context, View<const float, 2> x, const AffineGrid& grid,
                        std::span<const float> scales, std::span<const int32_t> zero_points,
                        Rounding rounding, View<int32_t, 2> codes) {
  CHECK(x.rows == codes.rows && x.columns == codes.columns);
  check_grid(x, grid, scales, zero_points);
  const Workspace::Mark mark(context.workspace);
  int64_t* missing = context.workspace.take<int64_t>(x.rows);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    missing[r] = 0;
    for_each_segment(grid.sharing, r, x.columns, [&](int64_t at, int64_t begin, int64_t end) {
      const Ends ends = ends_of(grid, zero_points, at);
      const int32_t zero = zero_points.empty() ? 0 : zero_points[static_cast<size_t>(at)];
      for (int64_t i = begin; i < end; ++i) {
        const float t = x.row(r)[i] / scales[static_cast<size_t>(at)];
        const bool none = t != t;
        // what is far outside moves next to the grid, where every way to round leaves it outside
        const float inside = none ? 0 : clamp(t, {ends.low - 1, ends.high + 1});
        const float whole = clamp(whole_of(inside, rounding), ends);
        codes.row(r)[i] = none ? zero : static_cast<int32_t>(whole) + zero;
        missing[r] += none;
      }
    });
  });
  return std::accumulate(missing, missing + x.rows, int64_t{0});
}

void affine_dequantize(Context& context, View<const int32_t, 2> codes, const AffineGrid& grid,
                       std::span<const float> scales, std::span<const int32_t> zero_points,
                       View<float, 2> out) {
  CHECK(codes.rows == out.rows && codes.columns == out.columns);
  check_grid(out, grid, scales, zero_points);
  for_each_row(context, out.rows, out.columns, [&](int64_t r) {
    for_each_segment(grid.sharing, r, out.columns, [&](int64_t at, int64_t begin, int64_t end) {
      const int32_t zero = zero_points.empty() ? 0 : zero_points[static_cast<size_t>(at)];
      for (int64_t i = begin; i < end; ++i) {
        const int32_t code = codes.row(r)[i];
        CHECK(code >= grid.qmin && code <= grid.qmax);
        out.row(r)[i] = static_cast<float>(code - zero) * scales[static_cast<size_t>(at)];
      }
    });
  });
}

}  // namespace farthing::ops
