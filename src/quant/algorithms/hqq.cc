// hqq: round to nearest under zeros that make few errors large, without a calibration.
//
// Source: HQQ (Badri and Shaji 2023, github.com/mobiusml/hqq): least of sum |w - w'|^p over a
// group's zero z, w' = scale * (code - z), by half-quadratic splitting: e = shrink(w - w'), then z
// = mean(code - (w - e) / scale), the penalty beta growing. The scale stays that of the group's
// range. Where we differ: p is 3/4 instead of 0.7, so that square roots are all it takes, which
// every machine rounds alike; each group keeps its best zero, as it would be stored, instead of a
// whole tensor its last.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "formats/levels.h"
#include "quant/algorithm.h"

namespace farthing {
namespace {

constexpr int rounds = 20;
constexpr float first_beta = 10, beta_growth = 1.01f, steepest = 2e4f;

// |x|^(3/4), and |x|^(-1/4)
float power(float x) { return std::sqrt(x) * std::sqrt(std::sqrt(x)); }
float inverse_root(float x) { return 1.0f / std::sqrt(std::sqrt(x)); }

float shrink(float error, float beta) {
  const float magnitude = std::fabs(error);
  if (magnitude == 0) return 0;  // whose negative power is no number
  const float left = magnitude - inverse_root(magnitude) / beta;
  return left <= 0 ? 0 : error < 0 ? -left : left;
}

struct ScaleAndZero {
  float scale, zero;
};

// In double from lane to lane of one order: a group's sums do not depend on the machine.
ScaleAndZero solve(const float* w, int64_t count, float highest) {
  float low = w[0], high = w[0];
  for (int64_t i = 1; i < count; ++i) {
    low = std::min(low, w[i]);
    high = std::max(high, w[i]);
  }
  const float steps = std::min(highest / (high - low), steepest);  // of one
  const float scale = 1.0f / steps;
  ScaleAndZero best{scale, f32_from_f16(f16_from_f32(-low * steps))};
  double least = INFINITY;
  float zero = -low * steps, beta = first_beta;
  for (int round = 0; round <= rounds; ++round, beta *= beta_growth) {
    const float stored = f32_from_f16(f16_from_f32(zero));
    double error_of_stored = 0, sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto code_by = [&](float z) {
        return std::nearbyint(std::clamp(w[i] * steps + z, 0.0f, highest));
      };
      error_of_stored +=
          static_cast<double>(power(std::fabs(w[i] - (code_by(stored) - stored) * scale)));
      const float code = code_by(zero);
      const float error = shrink(w[i] - (code - zero) * scale, beta);
      sum += static_cast<double>(code - (w[i] - error) * steps);
    }
    if (error_of_stored < least) {
      least = error_of_stored;
      best.zero = stored;
    }
    zero = static_cast<float>(sum / static_cast<double>(count));
  }
  return best;
}

AlgorithmReport quantize_hqq(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const Format& format = *out.format;
  AlgorithmReport report;
  if (format.encode_with_zeros == nullptr) {
    report.fallback = "rtn in place of hqq: the format's zeros are whole numbers, or it has none";
    report.encode = out.encode(context.pool, input.weight.data, input.weight.stride, input.rule);
    return report;
  }
  const auto highest = static_cast<float>(format.elements->levels - 1);
  const int64_t length = group_length(out), groups = (out.k + length - 1) / length;
  std::mutex mutex;
  context.pool.run([&](Part part) {
    const auto rows = part.range(out.n);
    std::vector<float> scales(static_cast<size_t>(groups)), zeros(scales);
    EncodeReport mine;
    for (int64_t n = rows.begin; n < rows.end; ++n) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t begin = g * length;
        const auto [scale, zero] =
            solve(input.weight.row(n) + begin, std::min(length, out.k - begin), highest);
        scales[static_cast<size_t>(g)] = scale;
        zeros[static_cast<size_t>(g)] = zero;
      }
      mine += format.encode_with_zeros(out, {n, n + 1, 0, out.k}, input.weight.row(n),
                                       input.weight.stride, scales.data(), zeros.data(), groups);
    }
    const std::lock_guard lock(mutex);
    report.encode += mine;  // whole numbers: the order does not matter
  });
  return report;
}

}  // namespace

AlgorithmInfo hqq_algorithm() {
  return {.name = "hqq",
          .summary = "round to nearest under zeros with the least sum of |w' - w|^(3/4)",
          .needs = AlgorithmNeeds::nothing,
          .quantize = quantize_hqq,
          .suits = [](const Format& format) { return format.encode_with_zeros != nullptr; }};
}

}  // namespace farthing
