// Digests of row kernels on seeded rows: the bits that every machine must give.
#include <xxhash.h>

#include <map>

#include "kernels/activation_functions/activation_functions.h"
#include "kernels/adamw/adamw.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/hadamard/hadamard.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rope/rope.h"
#include "kernels/row_kernels.h"
#include "kernels/scalar_math.h"
#include "kernels/softmax/softmax.h"

namespace farthing {
namespace {

constexpr int64_t n = 5003;

const std::map<std::string, ActivationFunction> activation_functions = {
    {"silu", ActivationFunction::silu},
    {"gelu", ActivationFunction::gelu},
    {"gelu_tanh", ActivationFunction::gelu_tanh},
    {"relu", ActivationFunction::relu}};

// The gradients with respect to x of each operation, and an optimizer's step.
void add_gradients(Isa isa, const std::vector<float>& x, const std::vector<float>& y,
                   std::map<std::string, std::vector<float>>& out) {
  const auto gain = random_row(n, 5), from = random_row(n, 6);
  const auto sums = [&](const std::string& name, uint64_t stream) {
    out[name] = random_row(n, stream);
    return out[name].data();
  };
  const NormKernel& norm = choose_norm_kernel(isa);
  const float r = norm->inverse_rms(x.data(), 1e-5f, n), middle = 0.0f;
  const NormMoments rows[] = {{middle, r}, {middle, 2 * r}, {middle, 3 * r}};
  norm->rms_norm_backward(x.data(), gain.data(), 0.0f, r, from.data(), n,
                          sums("rms_norm_backward", 7));
  norm->gain_backward(x.data(), 1000, rows, from.data(), 900, 3, 850, sums("gain_backward", 8));
  choose_elementwise_kernel(isa)->swiglu_backward(x.data(), y.data(), from.data(), n,
                                                  sums("swiglu_backward_gate", 9),
                                                  sums("swiglu_backward_up", 10));
  const SoftmaxKernel& softmax = choose_softmax_kernel(isa);
  softmax->cross_entropy_backward(x.data(), n, softmax->statistics(x.data(), n), 100, 0.3f,
                                  sums("cross_entropy_backward", 11));
  std::vector<float> m = random_row(n, 12), v = random_row(n, 13);
  for (float& element : v) element = std::fabs(element);
  choose_adamw_kernel(isa)->step({0.999f, 0.1f, 0.95f, 0.05f, 3e-3f, 0.3f, 1e-8f, 0.7f},
                                 from.data(), n, sums("adamw_step", 14), m.data(), v.data());
  const double squares = choose_adamw_kernel(isa)->sum_of_squares(x.data(), n);
  const NormMoments of = norm->moments(x.data(), 1e-5f, n);
  out["moments"] = {of.mean, of.inverse};
  norm->layer_norm_backward(x.data(), gain.data(), of, from.data(), n,
                            sums("layer_norm_backward", 15));
  choose_elementwise_kernel(isa)->clamped_swiglu_backward(
      x.data(), y.data(), 1.702f, 3.0f, from.data(), n, sums("clamped_swiglu_backward_gate", 19),
      sums("clamped_swiglu_backward_up", 20));
  choose_elementwise_kernel(isa)->add_products(x.data(), y.data(), n, sums("add_products", 21));
  choose_elementwise_kernel(isa)->add_scaled(x.data(), 0.37f, n, sums("add_scaled", 22));
  choose_elementwise_kernel(isa)->softcap_backward(x.data(), 2.0f, from.data(), n,
                                                   sums("softcap_backward", 16));
  choose_elementwise_kernel(isa)->column_sums(x.data(), 1000, 4, 900, sums("column_sums", 17));
  for (const auto& [name, f] : activation_functions)
    choose_activation_function_kernel(isa)->backward(f, x.data(), from.data(), n,
                                                     sums(name + "_backward", 18));
  out["sum_of_squares"].resize(2);
  std::memcpy(out["sum_of_squares"].data(), &squares, sizeof squares);
}

// The output of each operation of one instruction set, by name.
std::map<std::string, std::vector<float>> outputs(Isa isa) {
  const auto x = random_row(n, 1, 4.0f), y = random_row(n, 2, 4.0f);
  std::map<std::string, std::vector<float>> out;
  const auto row = [&](const std::string& name) {
    out[name].resize(n);
    return out[name].data();
  };
  choose_norm_kernel(isa)->rms_norm(x.data(), y.data(), 0.0f, 1e-5f, n, row("rms_norm"));
  choose_norm_kernel(isa)->layer_norm(x.data(), y.data(), x.data(), 1e-5f, n, row("layer_norm"));
  for (const auto& [name, f] : activation_functions)
    choose_activation_function_kernel(isa)->apply(f, x.data(), n, row(name));
  const ElementwiseKernel& elementwise = choose_elementwise_kernel(isa);
  elementwise->softcap(x.data(), 2.0f, n, row("softcap"));
  elementwise->exp(random_row(n, 3, 30.0f).data(), n, row("exp"));
  elementwise->swiglu(x.data(), y.data(), n, row("swiglu"));
  elementwise->clamped_swiglu(x.data(), y.data(), 1.702f, 3.0f, n, row("clamped_swiglu"));
  out["dot"] = {elementwise->dot(x.data(), y.data(), n)};
  const SoftmaxKernel& softmax = choose_softmax_kernel(isa);
  const SoftmaxStatistics of_x = softmax->statistics(x.data(), n),
                          of_y = softmax->statistics(y.data(), n);
  const LogNormalizer p{of_x.max, static_cast<float>(fixed_log(of_x.sum))};
  const LogNormalizer q{of_y.max, static_cast<float>(fixed_log(of_y.sum))};
  softmax->log_softmax(x.data(), n, p, row("log_softmax"));
  out["kl_divergence"] = {softmax->kl_divergence(x.data(), p, y.data(), q, n)};
  std::vector<float> rotated = random_row(6 * 64, 4);
  std::vector<float> cos, sin;
  for (int i = 0; i < 32; ++i) {
    cos.push_back(static_cast<float>(fixed_sin_cos(1000.3 * i).cos));
    sin.push_back(static_cast<float>(fixed_sin_cos(1000.3 * i).sin));
  }
  choose_rope_kernel(isa)->rotate(rotated.data(), 6, 64, 64, cos.data(), sin.data());
  out["rope"] = rotated;
  choose_rope_kernel(isa)->rotate_back(rotated.data(), 6, 64, 64, cos.data(), sin.data());
  out["rope_backward"] = rotated;
  std::vector<float> turned = random_row(12 * 256, 5), signs = random_row(12 * 12, 6);
  for (float& sign : signs) sign = sign < 0 ? -1.0f : 1.0f;
  choose_hadamard_kernel(isa)->transform(turned.data(), signs.data(), 12, 256, 0.018f);
  out["hadamard"] = turned;
  add_gradients(isa, x, y, out);
  const int64_t blocks = blocks_of_32(n);
  std::vector<float> outliers(blocks * 32);
  for (int64_t i = 5; i < n; i += 37) outliers[i] = 1.0f;
  for (const Activations activations : all_activations) {
    const QuantizeRowsKernel& kernel = choose_quantize_rows_kernel(isa);
    const QuantizeRow round = kernel->of(activations);
    if (round == nullptr) continue;
    const std::string name(activations_name(activations));
    std::vector<int8_t> codes(blocks * 32);
    std::vector<int32_t> sums(blocks);
    round(x.data(), n, {kernel->measure(x.data(), n), {0.06f, 0}, outliers.data()}, codes.data(),
          row(name + "_scales"), sums.data());
    out[name + "_scales"].resize(blocks);
    out[name + "_codes"].assign(codes.begin(), codes.end());
  }
  return out;
}

TEST(RowDigests, EveryInstructionSetGivesTheCommittedBits) {
  const std::map<std::string, uint64_t> digests = {
#include "kernels/data/row_digests.inc"
  };
  for (Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (!isa_supported(isa)) {
      std::printf("not run on this machine: %s\n", std::string(isa_name(isa)).c_str());
      continue;
    }
    for (const auto& [name, values] : outputs(isa)) {
      const uint64_t digest = XXH3_64bits(values.data(), values.size() * sizeof(float));
      const auto expected = digests.find(name);
      if (expected == digests.end()) {
        ADD_FAILURE() << "no digest for {\"" << name << "\", 0x" << std::hex << digest << "u},";
      } else {
        EXPECT_EQ(digest, expected->second) << name << " on " << isa_name(isa);
      }
    }
  }
}

}  // namespace
}  // namespace farthing
