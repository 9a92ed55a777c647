// A layer whose weights have heavy tails and whose inputs are correlated, for tests of algorithms.
#pragma once

#include <vector>

#include "base/random.h"
#include "quant/quantize_linear.h"

namespace farthing {

inline constexpr int64_t inputs_of_layer = 256, tokens = 768;

// Heavy tails.
inline Tensor heavy_tailed(int64_t n, int64_t k) {
  Tensor out(DType::f32, {n, k});
  for (int64_t i = 0; i < n * k; ++i) {
    const float x = random_normal(1, 1, static_cast<uint64_t>(i));
    out.as<float>()[i] = 0.02f * x * x * x;
  }
  return out;
}

// Correlated by forty common factors; a few columns are large.
inline const Tensor& correlated_inputs() {
  static const Tensor made = [] {
    constexpr int64_t common = 40, k = inputs_of_layer;
    Tensor x(DType::f32, {tokens, k});
    std::vector<float> mixed(static_cast<size_t>(common * k));
    for (size_t i = 0; i < mixed.size(); ++i) mixed[i] = 0.3f * random_normal(4, 1, i);
    for (int64_t t = 0; t < tokens; ++t) {
      float* row = x.as<float>() + t * k;
      const auto stream = static_cast<uint64_t>(t);
      for (int64_t i = 0; i < k; ++i)
        row[i] = 0.5f * random_normal(3, stream, static_cast<uint64_t>(i));
      for (int64_t f = 0; f < common; ++f) {
        const float factor = random_normal(2, stream, static_cast<uint64_t>(f));
        for (int64_t i = 0; i < k; ++i) row[i] += factor * mixed[static_cast<size_t>(f * k + i)];
      }
      for (int64_t i = 5; i < k; i += 37) row[i] *= 8;
    }
    return x;
  }();
  return made;
}

struct Layer {
  LinearSpec spec;
  StoredLinear stored;
  InputStatistics inputs;

  // Of the first k columns of the inputs.
  Layer(Context& context, int64_t n, int64_t k) : spec{"layer.weight", n, k}, inputs(k, true) {
    stored.weight = {find_format("f32"), n, k, DType::f32, {heavy_tailed(n, k)}};
    const auto x = correlated_inputs().view<float>();
    inputs.add(context, {x.data, x.rows, k, x.stride});
    inputs.finish();
  }

  Result<QuantizedLinear> quantize(Context& context, const Format& format, std::string_view method,
                                   const AlgorithmOptions& how = {}) const {
    QuantizeOptions options;
    options.algorithm = how;
    options.scheme = {&format, Activations::f32};
    options.method = find_algorithm(method);
    return quantize_linear(context, spec, stored, {options.scheme, options.method}, options,
                           &inputs);
  }
};

inline std::vector<std::byte> bytes_of(const QuantizedTensor& q) {
  std::vector<std::byte> out;
  for (const Tensor& plane : q.planes)
    out.insert(out.end(), plane.data(), plane.data() + plane.bytes());
  return out;
}

}  // namespace farthing
