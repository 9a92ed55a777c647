// Speed of every matrix-product kernel with every format: one thread, one token and many.
//   build/release/bench_kernels --benchmark_filter=matmul
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/float_mode.h"
#include "base/random.h"
#include "kernels/matmul/matmul.h"
#include "kernels/quantize_rows/quantize_rows.h"

namespace farthing {
namespace {

void product(benchmark::State& state, const MatmulKernel& kernel, const Format& format, int64_t m,
             int64_t n, int64_t k) {
  set_float_mode();
  QuantizedTensor weight = QuantizedTensor::allocate(format, n, k);
  std::vector<float> values(static_cast<size_t>(n * k)), x(static_cast<size_t>(m * k)),
      y(static_cast<size_t>(m * n));
  for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(1, 0, i);
  for (size_t i = 0; i < x.size(); ++i) x[i] = random_normal(1, 1, i);
  weight.encode(values.data(), k,
                format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
  const int64_t blocks = blocks_of_32(k);
  std::vector<int8_t> codes(static_cast<size_t>(m * blocks * 32));
  std::vector<float> scales(static_cast<size_t>(m * blocks));
  std::vector<int32_t> sums(static_cast<size_t>(m * blocks));
  for (int64_t t = 0; t < m; ++t)
    choose_quantize_rows_kernel(kernel.isa)
        ->int8_block32(&x[t * k], k, {}, &codes[t * blocks * 32], &scales[t * blocks],
                       &sums[t * blocks]);
  Tensor packed(DType::u8, {packed_bytes(kernel->packing, weight)}),
      scratch(DType::f32, {matmul_scratch_floats()});
  pack_panels(kernel->packing, weight, 0, panels_of(n), packed.data());
  for (auto _ : state) {
    kernel->run({&weight,
                 packed.data(),
                 m,
                 x.data(),
                 k,
                 {codes.data(), blocks * 32, scales.data(), sums.data()},
                 y.data(),
                 n,
                 0,
                 panels_of(n),
                 scratch.as<float>()});
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["GFLOP/s"] =
      Counter(2e-9 * static_cast<double>(m * n * k), Counter::kIsIterationInvariantRate);
  const double bytes =
      static_cast<double>(kernel->packing == Packing::stored ? weight.bytes() : packed.bytes());
  state.counters["weight_GB/s"] = Counter(1e-9 * bytes, Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (!isa_supported(kernel.isa)) continue;
    for (const Format& format : all_formats()) {
      if (!accepts(kernel, format)) continue;
      for (int64_t m : {1, 512}) {
        const std::string name = "matmul/" + std::string(kernel.name) + "/" +
                                 std::string(format.name) + "/m" + std::to_string(m);
        benchmark::RegisterBenchmark(name.c_str(), [&kernel, &format, m](benchmark::State& state) {
          product(state, kernel, format, m, 2048, 2048);
        });
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace farthing
