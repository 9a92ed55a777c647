// Speed of encoding and decoding a matrix in every number format, one thread.
//   build/release/bench_kernels --benchmark_filter=encode
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/float_mode.h"
#include "base/random.h"
#include "formats/format.h"

namespace farthing {
namespace {

constexpr int64_t size = 1024;  // weights [size, size]

std::vector<float> some_weights() {
  std::vector<float> out(static_cast<size_t>(size * size));
  for (size_t i = 0; i < out.size(); ++i) out[i] = 0.05f * random_normal(1, 0, i);
  return out;
}

// As if the weights were read as bf16, two bytes each.
void count_bytes(benchmark::State& state) {
  state.counters["bf16_GB/s"] = benchmark::Counter(2e-9 * static_cast<double>(size * size),
                                                   benchmark::Counter::kIsIterationInvariantRate);
}

void encode(benchmark::State& state, const Format& format, ScaleRule rule) {
  set_float_mode();
  const auto values = some_weights();
  QuantizedTensor q = QuantizedTensor::allocate(format, size, size);
  ThreadPool alone(1);
  for (auto _ : state) {
    q.encode(alone, values.data(), size, rule);
    benchmark::ClobberMemory();
  }
  count_bytes(state);
}

void decode(benchmark::State& state, const Format& format, ScaleRule rule) {
  set_float_mode();
  const auto values = some_weights();
  QuantizedTensor q = QuantizedTensor::allocate(format, size, size);
  q.encode(values.data(), size, rule);
  std::vector<float> out(values.size());
  for (auto _ : state) {
    format.decode_tile(q, {0, size, 0, size}, out.data(), size);
    benchmark::ClobberMemory();
  }
  count_bytes(state);
}

const int registered = [] {
  for (const Format& format : all_formats()) {
    const ScaleRule rule =
        format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front();
    const std::string name(format.name);
    benchmark::RegisterBenchmark(
        ("encode/" + name).c_str(),
        [&format, rule](benchmark::State& state) { encode(state, format, rule); });
    benchmark::RegisterBenchmark(
        ("decode/" + name).c_str(),
        [&format, rule](benchmark::State& state) { decode(state, format, rule); });
  }
  return 0;
}();

}  // namespace
}  // namespace farthing
