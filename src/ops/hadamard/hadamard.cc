// Which matrix has which size, and its products with rows.
#include "ops/hadamard/hadamard.h"

#include <cmath>
#include <map>
#include <memory>
#include <mutex>

#include "base/check.h"
#include "kernels/hadamard/hadamard.h"
#include "ops/hadamard/sign_matrices.h"
#include "ops/rows.h"

namespace farthing::ops {
namespace {

void transform_rows(Context& context, const HadamardMatrix& h, const float* signs,
                    View<float, 2> x) {
  CHECK(x.columns == h.size());
  const HadamardKernel& kernel = choose_hadamard_kernel(context.isa);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(h.size())));
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->transform(x.row(r), signs, h.order(), h.width(), scale); });
}

}  // namespace

HadamardMatrix::HadamardMatrix(std::vector<float> signs, int64_t order, int64_t width)
    : order_(order), width_(width), signs_(std::move(signs)), transposed_(signs_.size()) {
  for (int64_t i = 0; i < order; ++i)
    for (int64_t j = 0; j < order; ++j)
      transposed_[static_cast<size_t>(j * order + i)] = signs_[static_cast<size_t>(i * order + j)];
}

const HadamardMatrix* HadamardMatrix::find(int64_t n) {
  static std::mutex mutex;
  static std::map<int64_t, std::unique_ptr<const HadamardMatrix>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(n); found != known.end()) return found->second.get();
  if (n < 1) return nullptr;
  int64_t odd = n;
  while (odd % 2 == 0) odd /= 2;
  std::vector<float> signs{1.0f};
  int64_t order = 1;
  if (odd > 1) {
    signs.clear();
    for (order = 4 * odd; order <= most_hadamard_order && n % order == 0; order *= 2) {
      signs = sign_matrix(order);
      if (!signs.empty()) break;
    }
    if (signs.empty()) return nullptr;
  }
  std::unique_ptr<const HadamardMatrix> made(
      new HadamardMatrix(std::move(signs), order, n / order));
  return known.emplace(n, std::move(made)).first->second.get();
}

void HadamardMatrix::transform(std::span<double> x, const std::vector<float>& signs) const {
  CHECK(static_cast<int64_t>(x.size()) == size());
  const auto order = static_cast<size_t>(order_), width = static_cast<size_t>(width_);
  for (size_t stride = 1; stride < width; stride *= 2) {
    for (size_t begin = 0; begin < x.size(); begin += 2 * stride) {
      for (size_t i = begin; i < begin + stride; ++i) {
        const double a = x[i], b = x[i + stride];
        x[i] = a + b;
        x[i + stride] = a - b;
      }
    }
  }
  const double scale = 1.0 / std::sqrt(static_cast<double>(x.size()));
  for (double& each : x) each *= scale;
  if (order == 1) return;
  std::vector<double> from(x.begin(), x.end());
  for (size_t i = 0; i < order; ++i) {
    double* const to = &x[i * width];
    for (size_t j = 0; j < width; ++j) to[j] = 0;
    for (size_t r = 0; r < order; ++r) {
      const double sign = signs[i * order + r];
      for (size_t j = 0; j < width; ++j) to[j] += sign * from[r * width + j];
    }
  }
}

std::string hadamard_sizes() {
  std::string out = "2^i, or 2^i times one of";
  for (int64_t order = 12; order < 200; order += 8)  // 4 times an odd number
    if (!sign_matrix(order).empty())
      out += (out.ends_with("of") ? " " : ", ") + std::to_string(order);
  return out + ", ...";
}

void hadamard_forward(Context& context, const HadamardMatrix& h, View<float, 2> x) {
  transform_rows(context, h, h.signs(), x);
}

void hadamard_backward(Context& context, const HadamardMatrix& h, View<float, 2> gradient) {
  transform_rows(context, h, h.transposed_signs(), gradient);
}

}  // namespace farthing::ops
