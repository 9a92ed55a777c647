// A layer whose weights have real heavy tails: rows of GPT-2's attention outputs (kurtosis 153 and
// 193 of the two), and inputs whose neighbours are correlated and of which every fortieth column is
// large. It needs the folder shared.
#pragma once

#include <cstdlib>
#include <string>

#include "base/random.h"
#include "io/safetensors/safetensors.h"
#include "quant/quantize_linear.h"

namespace farthing {

inline constexpr const char* gpt2_layers[] = {"gpt2.layer2.proj.weight",
                                              "gpt2.layer12.proj.weight"};

struct Gpt2Layer {
  static constexpr int64_t n = 128, k = 768, tokens = 1536;
  LinearSpec spec{"proj.weight", n, k};
  Tensor weight{DType::f32, {n, k}}, x{DType::f32, {tokens, k}};
  InputStatistics inputs{k, true};

  Gpt2Layer(Context& context, const std::string& name) {
    const char* shared = std::getenv("FARTHING_SHARED");
    const std::string folder = shared != nullptr ? shared : FARTHING_SOURCE_DIR "/../shared";
    const auto file = SafetensorsFile::open(folder + "/tensors/gpt2-attention.safetensors").value();
    const Tensor whole = file.tensor(name).value();
    std::copy_n(whole.as<float>(), n * k, weight.as<float>());
    for (int64_t t = 0; t < tokens; ++t) {
      float before = 0;
      for (int64_t i = 0; i < k; ++i) {
        before =
            0.8f * before + random_normal(1, static_cast<uint64_t>(t), static_cast<uint64_t>(i));
        x.as<float>()[t * k + i] = before * (i % 40 == 3 ? 8.0f : 1.0f);
      }
    }
    inputs.add(context, std::as_const(x).view<float>());
    inputs.finish();
  }

  QuantizedLinear quantize(Context& context, std::string_view format, std::string_view method,
                           const AlgorithmOptions& how = {}) const {
    QuantizeOptions options;
    options.algorithm = how;
    options.scheme = parse_scheme(format).value();
    options.method = find_algorithm(method);
    Tensor copy(DType::f32, {n, k});
    std::copy_n(weight.as<float>(), n * k, copy.as<float>());
    const StoredLinear stored{{find_format("f32"), n, k, DType::f32, {std::move(copy)}}};
    return quantize_linear(context, spec, stored, {options.scheme, options.method}, options,
                           &inputs)
        .value();
  }
};

}  // namespace farthing
