// The weighted squared error by which the encodings of GGUF's block types are judged, in double.
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "formats/format.h"

namespace farthing::testing {

// How much the error of each of these weights counts: as in ggml, x^2 for types that search one
// scale, the root mean square of a sub-block plus |x| for those that search a minimum too. Types
// that count all errors alike have 1.
inline std::vector<double> error_weights(std::string_view format, const float* x, int64_t count) {
  std::vector<double> out(static_cast<size_t>(count), 1.0);
  const bool alike = format == "gguf_nvfp4" || format.starts_with("iq1") ||
                     format.starts_with("iq2") || format.starts_with("iq3");
  if (alike) return out;
  const int64_t part = format == "q2_k" ? 16 : 32;
  const bool with_minimum = format == "q2_k" || format == "q4_k" || format == "q5_k";
  for (int64_t begin = 0; begin < count; begin += part) {
    double squares = 0;
    for (int64_t i = begin; i < begin + part; ++i) squares += static_cast<double>(x[i]) * x[i];
    for (int64_t i = begin; i < begin + part; ++i)
      out[static_cast<size_t>(i)] =
          with_minimum ? std::sqrt(squares / static_cast<double>(part)) + std::fabs(x[i])
                       : static_cast<double>(x[i]) * x[i];
  }
  return out;
}

struct EncodingError {
  double weighted = 0, plain = 0;  // sums of squares
};

inline EncodingError error_of(const QuantizedTensor& q, const float* x) {
  EncodingError out;
  const Tensor decoded = q.decode();
  for (int64_t n = 0; n < q.n; ++n) {
    const auto weights = error_weights(q.format->name, x + n * q.k, q.k);
    for (int64_t i = 0; i < q.k; ++i) {
      const double miss = static_cast<double>(decoded.as<float>()[n * q.k + i]) - x[n * q.k + i];
      out.weighted += weights[static_cast<size_t>(i)] * miss * miss;
      out.plain += miss * miss;
    }
  }
  return out;
}

inline QuantizedTensor encoded(const Format& format, const float* x, int64_t n, int64_t k) {
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  const ScaleRule rule =
      format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front();
  format.encode_tile(q, {0, n, 0, k}, x, k, rule);
  return q;
}

}  // namespace farthing::testing
