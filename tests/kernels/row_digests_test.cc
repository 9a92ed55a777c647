// Digests of row kernels on seeded rows: the bits that every machine must give.
#include <xxhash.h>

#include <map>

#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/rope/rope.h"
#include "kernels/row_kernels.h"
#include "kernels/scalar_math.h"
#include "kernels/softmax/softmax.h"

namespace farthing {
namespace {

constexpr int64_t n = 5003;

// The output of each operation of one instruction set, by name.
std::map<std::string, std::vector<float>> outputs(Isa isa) {
  const auto x = random_row(n, 1, 4.0f), y = random_row(n, 2, 4.0f);
  std::map<std::string, std::vector<float>> out;
  const auto row = [&](const std::string& name) {
    out[name].resize(n);
    return out[name].data();
  };
  choose_norm_kernel(isa)->rms_norm(x.data(), y.data(), 1e-5f, n, row("rms_norm"));
  const ElementwiseKernel& elementwise = choose_elementwise_kernel(isa);
  elementwise->exp(random_row(n, 3, 30.0f).data(), n, row("exp"));
  elementwise->swiglu(x.data(), y.data(), n, row("swiglu"));
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
  choose_rope_kernel(isa)->rotate(rotated.data(), 6, 64, cos.data(), sin.data());
  out["rope"] = rotated;
  const int64_t blocks = blocks_of_32(n);
  std::vector<int8_t> codes(blocks * 32);
  std::vector<int32_t> sums(blocks);
  choose_quantize_rows_kernel(isa)->int8_block32(x.data(), n, codes.data(),
                                                 row("int8_block32_scales"), sums.data());
  out["int8_block32_scales"].resize(blocks);
  out["int8_block32_codes"].assign(codes.begin(), codes.end());
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
