// Speed of the matrix product with f32 activations in every number format, beside f32 (a prompt of
// 512 tokens) and bf16 (one token), on one thread; the kernel is the one that the program would
// choose.
//   build/release/bench_formats [--json] [--pairs N] [--only NAME]
//
// Each figure is the median over pairs of runs, the reference and the format one after the other;
// time is that of the processor, not of the clock. The weights of the decode step (8192 x 4096) are
// larger than the caches, and the reference's run puts what is left of the format's weights out of
// them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/float_mode.h"
#include "base/random.h"
#include "formats/outliers.h"
#include "kernels/matmul/matmul.h"

namespace farthing {
namespace {

double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// A matrix [n, k] whose planes repeat those of 128 encoded rows: searches for scales take long. Not
// where a plane lists outliers of rows.
QuantizedTensor repeated_rows(const Format& format, int64_t n, int64_t k) {
  const int64_t rows = has_outliers(format) ? n : 128;
  std::vector<float> values(static_cast<size_t>(rows * k));
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.05f * random_normal(1, 0, i);
  QuantizedTensor few = QuantizedTensor::allocate(format, rows, k);
  few.encode(values.data(), k,
             format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
  if (rows == n) return few;
  QuantizedTensor many = QuantizedTensor::allocate(format, n, k);
  for (size_t p = 0; p < many.planes.size(); ++p) {
    const int64_t from = few.planes[p].bytes(), all = many.planes[p].bytes();
    for (int64_t at = 0; at < all; at += from)
      std::memcpy(many.planes[p].data() + at, few.planes[p].data(),
                  static_cast<size_t>(std::min(from, all - at)));
  }
  return many;
}

// One product that can be run again and again.
struct Product {
  int64_t m, n, k;
  QuantizedTensor weight;
  const MatmulKernel* kernel;
  Tensor packed, scratch;
  std::vector<float> x, y;

  Product(const Format& format, int64_t tokens, int64_t outputs, int64_t inputs)
      : m(tokens),
        n(outputs),
        k(inputs),
        weight(repeated_rows(format, n, k)),
        kernel(choose_matmul_kernel({&format, Activations::f32}, choose_isa().value())),
        packed(DType::u8, {packed_bytes((*kernel)->packing, weight)}),
        scratch(DType::f32, {matmul_scratch_floats()}),
        x(static_cast<size_t>(m * k)),
        y(static_cast<size_t>(m * n)) {
    for (size_t i = 0; i < x.size(); ++i) x[i] = random_normal(1, 1, i);
    pack_panels((*kernel)->packing, weight, 0, panels_of(n), packed.data());
  }
  int64_t bytes() const {
    return (*kernel)->packing == Packing::stored ? weight.bytes() : packed.bytes();
  }
  double seconds() {
    const double begin = processor_seconds();
    (*kernel)->run({&weight,
                    packed.data(),
                    m,
                    x.data(),
                    k,
                    {},
                    y.data(),
                    n,
                    0,
                    panels_of(n),
                    scratch.as<float>()});
    return processor_seconds() - begin;
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Of the format's speed to the reference's, and the format's least seconds.
struct Comparison {
  double ratio, least, reference;
};
Comparison compare(Product& reference, Product& of_format, int pairs) {
  std::vector<double> ratios, seconds, references;
  for (int i = 0; i <= pairs; ++i) {
    const double theirs = reference.seconds(), ours = of_format.seconds();
    if (i == 0) continue;  // warms up
    ratios.push_back(theirs / ours);
    seconds.push_back(ours);
    references.push_back(theirs);
  }
  return {median(ratios), *std::min_element(seconds.begin(), seconds.end()),
          *std::min_element(references.begin(), references.end())};
}

int run(bool json, int pairs, const std::string& only) {
  set_float_mode();
  Product f32(*find_format("f32"), 512, 2048, 2048), bf16(*find_format("bf16"), 1, 8192, 4096);
  if (!json)
    std::printf("%-18s %-20s %7s %7s | %9s %8s | %9s %8s\n", "format", "kernel", "stored", "read",
                "GFLOP/s", "to f32", "Gweight/s", "to bf16");
  bool first = true;
  for (const Format& format : all_formats()) {
    if (!only.empty() && format.name.find(only) == std::string_view::npos) continue;
    Comparison prompt, decode;
    double stored, read;
    std::string kernel;
    {
      Product product(format, 512, f32.n, f32.k);
      prompt = compare(f32, product, pairs);
    }
    {
      Product product(format, 1, bf16.n, bf16.k);
      decode = compare(bf16, product, 2 * pairs + 1);
      const auto weights = static_cast<double>(product.n * product.k);
      stored = product.weight.bits_per_weight();
      read = 8.0 * static_cast<double>(product.bytes()) / weights;
      kernel = product.kernel->name;
    }
    const double gflops = 2e-9 * static_cast<double>(f32.m * f32.n * f32.k) / prompt.least;
    const double gweights = 1e-9 * static_cast<double>(bf16.n * bf16.k) / decode.least;
    const std::string name(format.name);
    if (json) {
      std::printf(
          "%s\n  {\"format\": \"%s\", \"kernel\": \"%s\", \"stored_bits\": %.3f, \"read_bits\": "
          "%.3f, \"prompt_gflops\": %.2f, \"prompt_to_f32\": %.3f, \"decode_gweights\": %.3f, "
          "\"decode_to_bf16\": %.3f}",
          first ? "[" : ",", name.c_str(), kernel.c_str(), stored, read, gflops, prompt.ratio,
          gweights, decode.ratio);
    } else {
      std::printf("%-18s %-20s %7.3f %7.3f | %9.1f %8.2f | %9.2f %8.2f\n", name.c_str(),
                  kernel.c_str(), stored, read, gflops, prompt.ratio, gweights, decode.ratio);
    }
    std::fflush(stdout);
    first = false;
  }
  if (json) std::printf("\n]\n");
  return 0;
}

}  // namespace
}  // namespace farthing

int main(int count, char** arguments) {
  bool json = false;
  int pairs = 3;
  std::string only;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--pairs" && i + 1 < count) {
      pairs = std::max(1, std::atoi(arguments[++i]));
    } else if (argument == "--only" && i + 1 < count) {
      only = arguments[++i];
    } else {
      std::fprintf(stderr, "usage: bench_formats [--json] [--pairs N] [--only NAME]\n");
      return 2;
    }
  }
  return farthing::run(json, pairs, only);
}
