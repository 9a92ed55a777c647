// Seconds of one thread's processor time that a matrix from a file takes to encode; the blocks as a
// file. For bench/peers/encode_speed.py, which has another program encode the same matrix.
//   build/release/bench_encode FORMAT K VALUES.f32 BLOCKS [IMPORTANCE.f32]
//
// VALUES: f32, rows of K. The fastest of three runs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/float_mode.h"
#include "formats/format.h"

namespace farthing {
namespace {

double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::vector<float> floats_of(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::vector<float> out(file ? static_cast<size_t>(file.tellg()) / sizeof(float) : 0);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out.data()),
            static_cast<std::streamsize>(out.size() * sizeof(float)));
  return out;
}

int run(int argc, char** argv) {
  const Format* format = argc >= 5 ? find_format(argv[1]) : nullptr;
  const int64_t k = argc >= 5 ? std::atoll(argv[2]) : 0;
  if (format == nullptr || k <= 0 || k % format->block != 0) {
    std::fprintf(stderr, "usage: bench_encode FORMAT K VALUES.f32 BLOCKS [IMPORTANCE.f32]\n");
    return 2;
  }
  const std::vector<float> values = floats_of(argv[3]);
  const std::vector<float> importance = argc > 5 ? floats_of(argv[5]) : std::vector<float>();
  const auto n = static_cast<int64_t>(values.size()) / k;
  if (n == 0 || (argc > 5 && static_cast<int64_t>(importance.size()) != k)) {
    std::fprintf(stderr, "bench_encode: no row of %lld values, or as many of importance\n",
                 static_cast<long long>(k));
    return 1;
  }
  set_float_mode();
  const ScaleRule rule =
      format->scale_rules.empty() ? ScaleRule::half_step : format->scale_rules.front();
  QuantizedTensor q = QuantizedTensor::allocate(*format, n, k);
  ThreadPool alone(1);
  double least = INFINITY;
  for (int i = 0; i < 3; ++i) {
    const double begin = processor_seconds();
    if (importance.empty()) {
      q.encode(alone, values.data(), k, rule);
    } else {
      q.encode_searched(alone, values.data(), k, rule, importance.data());
    }
    least = std::min(least, processor_seconds() - begin);
  }
  std::ofstream blocks(argv[4], std::ios::binary);
  blocks.write(reinterpret_cast<const char*>(q.planes[0].data()), q.planes[0].bytes());
  std::printf("%.9f\n", least);
  return blocks.flush() ? 0 : 1;
}

}  // namespace
}  // namespace farthing

int main(int argc, char** argv) { return farthing::run(argc, argv); }
