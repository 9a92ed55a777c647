// Speed of every packing, one thread: packing, unpacking, and repacking from compressed_tensors.
//   build/release/bench_kernels --benchmark_filter=packing
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "formats/packing/packing.h"

namespace farthing {
namespace {

constexpr int64_t n = 4096, k = 4096;

Tensor codes_of(int bits) {
  Tensor codes(DType::u8, {n, k});
  for (int64_t i = 0; i < n * k; ++i)
    codes.as<uint8_t>()[i] = static_cast<uint8_t>(1 + i * 7 % ((1 << bits) - 1));
  return codes;
}

// Bytes that were read and written, of the tensors that come in and go out.
void count(benchmark::State& state, const Tensor& in, const Tensor& out) {
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(in.bytes() + out.bytes()),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

// What the others are compared with.
void copy(benchmark::State& state) {
  const Tensor in = codes_of(8);
  for (auto _ : state) {
    Tensor out(DType::u8, {n, k});
    std::memcpy(out.data(), in.data(), static_cast<size_t>(in.bytes()));
    benchmark::DoNotOptimize(out.data());
  }
  count(state, in, in);
}

void pack(benchmark::State& state, const CodePacking& packing, int bits) {
  const Tensor codes = codes_of(bits), packed = pack_codes(packing, codes, bits).value();
  for (auto _ : state) benchmark::DoNotOptimize(pack_codes(packing, codes, bits));
  count(state, codes, packed);
}

void unpack(benchmark::State& state, const CodePacking& packing, int bits) {
  const Tensor codes = codes_of(bits), packed = pack_codes(packing, codes, bits).value();
  for (auto _ : state) benchmark::DoNotOptimize(unpack_codes(packing, packed, n, k, bits));
  count(state, codes, packed);
}

void repack_to(benchmark::State& state, const CodePacking& to, int bits) {
  const CodePacking& from = *find_packing("compressed_tensors");
  const Tensor in = pack_codes(from, codes_of(bits), bits).value();
  for (auto _ : state) benchmark::DoNotOptimize(repack(from, to, in, n, k, bits));
  count(state, in, repack(from, to, in, n, k, bits).value());
}

const int registered = [] {
  const auto add = [](const std::string& name, auto&&... arguments) {
    benchmark::RegisterBenchmark(("packing/" + name).c_str(), arguments...)->UseRealTime();
  };
  add("copy", copy);
  for (const CodePacking& packing : all_packings()) {
    const bool weights = packing.holds == CodePacking::Holds::weights;
    for (const int bits : packing.bits) {
      const std::string name = std::string(packing.name) + "/" + std::to_string(bits);
      add(name + "/pack", pack, packing, bits);
      add(name + "/unpack", unpack, packing, bits);
      if (weights) add(name + "/repack", repack_to, packing, bits);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace farthing
