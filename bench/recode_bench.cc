// Speed of recode, one thread, beside copying the bytes that it reads and writes.
//   build/release/bench_kernels --benchmark_filter=recode
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "formats/recode.h"

namespace farthing {
namespace {

constexpr int64_t n = 4096, k = 4096;

QuantizedTensor weight_in(const Format& format) {
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  std::vector<float> values(static_cast<size_t>(n * k));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.01f * static_cast<float>(static_cast<int>(i * 2654435761u % 255) - 127);
  q.encode(values.data(), k, format.scale_rules.front());
  return q;
}

void run(benchmark::State& state, const char* from, const char* to) {
  const QuantizedTensor q = weight_in(*find_format(from));
  const int64_t bytes = q.bytes() + recode(q, *find_format(to)).value().bytes();
  for (auto _ : state) benchmark::DoNotOptimize(recode(q, *find_format(to)));
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(bytes),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

// What the others are compared with: as many bytes as a matrix in int4_g128.
void copy(benchmark::State& state) {
  const QuantizedTensor q = weight_in(*find_format("int4_g128"));
  for (auto _ : state) {
    Tensor out(DType::u8, q.planes[0].shape());
    std::memcpy(out.data(), q.planes[0].data(), static_cast<size_t>(out.bytes()));
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["GB/s"] = benchmark::Counter(2e-9 * static_cast<double>(q.planes[0].bytes()),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

const int registered = [] {
  benchmark::RegisterBenchmark("recode/copy", copy);
  for (const auto& [from, to] : {std::pair{"int4_g128", "q4_0"}, std::pair{"q4_0", "int4_g32"},
                                 std::pair{"int8_row", "q8_0"}, std::pair{"int4_g128_asym", "q5_0"},
                                 std::pair{"int3_g64", "q4_0"}, std::pair{"mxfp4", "gguf_mxfp4"}})
    benchmark::RegisterBenchmark((std::string("recode/") + from + "/" + to).c_str(), run, from, to);
  return 0;
}();

}  // namespace
}  // namespace farthing
