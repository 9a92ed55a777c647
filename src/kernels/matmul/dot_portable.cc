// Portable int8 dot kernels: they define the integers that the others must give.
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/portable.h"

namespace {
constexpr int most_tokens = 4;

template <int bits, int tokens>
FARTHING_INLINE void dot_block(const std::byte* codes, const int8_t* x, int64_t x_stride,
                               const int32_t* sums, int64_t sums_stride, const uint8_t* zeros,
                               IntVec* whole) {
  constexpr int middle = 1 << (bits - 1);
  for (int t = 0; t < tokens; ++t) {
    for (int o = 0; o < 16; ++o) {
      int32_t sum = -(zeros != nullptr ? zeros[o] : middle) * sums[t * sums_stride];
      for (int k = 0; k < 32; ++k) {
        int code;
        if constexpr (bits == 8) {
          code = static_cast<int>(codes[k / 4 * 64 + o * 4 + k % 4]);
        } else {
          const int byte = static_cast<int>(codes[k / 8 * 64 + o * 4 + k % 4]);
          code = k % 8 < 4 ? byte & 15 : byte >> 4;
        }
        sum += code * x[t * x_stride + k];
      }
      whole[t].lane[o] = sum;
    }
  }
}

#include "kernels/matmul/dot.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions dot_portable{ProductInput::int8_blocks, Packing::integers, run_dot};
}  // namespace farthing
