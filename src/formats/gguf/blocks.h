// What GGUF's block types share: halves inside a block, and a Format made of one block's encoding
// and decoding.
#pragma once

#include <cstring>

#include "formats/format.h"

namespace farthing::gguf {

inline float half_at(const uint8_t* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, 2);
  return f32_from_f16(half);
}

// Stores `value` rounded to f16 and returns the rounded value.
inline float put_half(uint8_t* bytes, float value) {
  const uint16_t half = f16_from_f32(value);
  std::memcpy(bytes, &half, 2);
  return f32_from_f16(half);
}

// 1 / x, and 0 where that is no finite number.
inline float reciprocal(float x) {
  const float inverse = x == 0 ? 0.0f : 1.0f / x;
  return inverse - inverse == 0 ? inverse : 0.0f;
}

// Round to nearest, ties away from zero, for |x| < 2^31, without libm.
inline float round_away(float x) {
  const float magnitude = std::fabs(x);
  const float whole = static_cast<float>(static_cast<int>(magnitude));
  const float rounded = whole + (magnitude - whole >= 0.5f ? 1.0f : 0.0f);
  return x < 0 ? -rounded : rounded;
}

// The elements of blocks of 256 that have whole scales (and minimums) for each `group` under d (and
// dmin).
inline Elements sub_blocks(Elements elements, int64_t group) {
  elements.group = group;
  elements.units = true;
  elements.scale_dtype = DType::bf16;  // holds whole numbers and halves up to 8 bits
  return elements;
}

// A matrix as rows of blocks along k. `Block` has
//   size, bytes                          weights and bytes of a block
//   decode(block, values)                all of a block's values
//   encode(block, values, extremes)      of finite values, which `extremes` describes; or
//   encode(block, values, extremes, importance)   null, or of each column: the scale is searched;
//   or Batch, put(block, found)             several blocks are searched side by side
//   (search/batch.h)
// and, for kernels that decode in registers (formats/elements.h),
//   elements()                           without its two functions, which come from
//   element_codes(block, codes)          a byte each
//   element_scale(block, k)              of the group of the block's k-th weight
//   put_element_codes(block, codes)      the inverse of element_codes; not where rows of a code
//   book
//                                        stand for several weights
template <class Block>
struct BlockFormat {
  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"blocks", DType::u8, {n, k / Block::size * Block::bytes}}};
  }

  static const uint8_t* block_at(const QuantizedTensor& q, int64_t n, int64_t k) {
    return q.planes[0].as<uint8_t>() + (n * (q.k / Block::size) + k / Block::size) * Block::bytes;
  }

  static constexpr bool in_batches = requires { typename Block::Batch; };
  static constexpr bool searches =
      in_batches || requires(uint8_t * block, const float* x, const Extremes& e) {
    Block::encode(block, x, e, x);
  };

  static EncodeReport encode_block(uint8_t* block, const float* values, const float* importance) {
    const Extremes extremes = extremes_of(values, Block::size);
    if (!extremes.finite) return {.nonfinite = 1};
    if constexpr (searches) {
      return Block::encode(block, values, extremes, importance);
    } else {
      return Block::encode(block, values, extremes);
    }
  }

  template <class Batch>
  static EncodeReport add_block(Batch& batch, uint8_t* block, const float* values,
                                const float* importance) {
    const Extremes extremes = extremes_of(values, Block::size);
    if (!extremes.finite) return {.nonfinite = 1};
    std::memset(block, 0, Block::bytes);
    if (extremes.amax() == 0) return {.zero_groups = 1};
    if (Batch::overflows(extremes)) return {.overflowed_scales = 1};
    float weights[Block::size];
    Batch::weights(values, extremes.amax(), importance, weights);
    batch.add(block, values, weights);
    return batch.full() ? batch.run(Block::put) : EncodeReport{};
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    return search_tile(q, tile, values, stride, rule, nullptr);
  }
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule, const float* importance) {
    EncodeReport report;
    const auto each_block = [&](const auto& encode) {
      for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride)
        for (int64_t k = tile.k0; k < tile.k1; k += Block::size)
          report += encode(const_cast<uint8_t*>(block_at(q, n, k)), values + (k - tile.k0),
                           importance == nullptr ? nullptr : importance + (k - tile.k0));
    };
    if constexpr (in_batches) {
      typename Block::Batch batch;
      each_block([&](uint8_t* block, const float* x, const float* importance_of_block) {
        return add_block(batch, block, x, importance_of_block);
      });
      report += batch.run(Block::put);
    } else {
      each_block(encode_block);
    }
    return report;
  }

  static EncodeReport encode_with_zeros(QuantizedTensor& q, Tile tile, const float* values,
                                        int64_t stride, const float* scales, const float* zeros,
                                        int64_t scale_stride) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1;
         ++n, values += stride, scales += scale_stride, zeros += scale_stride) {
      for (int64_t k = tile.k0, g = 0; k < tile.k1; k += Block::size, ++g) {
        auto* block = const_cast<uint8_t*>(block_at(q, n, k));
        const float* x = values + (k - tile.k0);
        if (!extremes_of(x, Block::size).finite ||
            !Block::encode_with_low(block, x, scales[g], -zeros[g] * scales[g]))
          report += encode_block(block, x, nullptr);
      }
    }
    return report;
  }

  static void put_codes(QuantizedTensor& q, int64_t n0, int64_t n1, const uint8_t* codes,
                        int64_t stride) {
    for (int64_t n = n0; n < n1; ++n, codes += stride)
      for (int64_t k = 0; k < q.k; k += Block::size)
        Block::put_element_codes(const_cast<uint8_t*>(block_at(q, n, k)), codes + k);
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const uint8_t* block = block_at(q, n, tile.k0);
      int64_t k = tile.k0;
      for (; k + Block::size <= tile.k1; k += Block::size, block += Block::bytes)
        Block::decode(block, values + (k - tile.k0));
      if (k < tile.k1) {
        float last[Block::size];
        Block::decode(block, last);
        std::memcpy(values + (k - tile.k0), last, static_cast<size_t>(tile.k1 - k) * sizeof(float));
      }
    }
  }

  static void element_codes(const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride)
      for (int64_t k = tile.k0; k < tile.k1; k += Block::size)
        Block::element_codes(block_at(q, n, k), codes + (k - tile.k0));
  }

  static Format format(int gguf_type, std::string_view fallback = "f16") {
    Format f;
    f.layout = Block::layout;
    f.value = Block::value;
    f.source = "GGUF block types of ggml; the Python package gguf";
    f.block = Block::size;
    f.fallback = fallback;
    f.scale_block = {1, Block::size};
    f.gguf_type = gguf_type;
    // The home engine rounds a linear's input to int8 in blocks of the same size.
    if (Block::size == 32) f.default_activations = Activations::int8_block32;
    if (Block::size == 256) f.default_activations = Activations::int8_block256;
    f.planes = planes;
    f.encode_tile = encode_tile;
    if constexpr (searches) f.search_tile = search_tile;
    if constexpr (requires(uint8_t * block, const float* x) {
                    Block::encode_with_low(block, x, 1.0f, 0.0f);
                  })
      f.encode_with_zeros = encode_with_zeros;
    if constexpr (requires(uint8_t * block) { Block::put_element_codes(block, block); })
      f.put_codes = put_codes;
    f.decode_tile = decode_tile;
    if constexpr (requires { Block::elements(); }) {
      f.elements = Block::elements();
      f.elements->codes = element_codes;
      f.elements->scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
        return Block::element_scale(block_at(q, n, k), static_cast<int>(k % Block::size));
      };
    }
    return f;
  }
};

// The same for blocks of 32 whose values are scale * (whole number): an integer grid, so that the
// integer kernels run it. `Block` also has
//   bits                  of a code: 2^(bits - 1) above the whole number
//   scale(block)
//   codes(block, codes)
template <class Block>
struct GridBlockFormat : BlockFormat<Block> {
  using Base = BlockFormat<Block>;

  static void codes_tile(const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += Block::size) {
        uint8_t block[Block::size];
        Block::codes(Base::block_at(q, n, k), block);
        std::memcpy(codes + (k - tile.k0), block,
                    static_cast<size_t>(tile.k1 - k < Block::size ? tile.k1 - k : Block::size));
      }
    }
  }

  static void group_parameters(const QuantizedTensor& q, int64_t n0, int64_t n1, int64_t g,
                               float* scales, int32_t* zeros) {
    for (int64_t n = n0; n < n1; ++n) {
      scales[n - n0] = Block::scale(Base::block_at(q, n, g * Block::size));
      zeros[n - n0] = 1 << (Block::bits - 1);
    }
  }

  static Format format(int gguf_type) {
    static_assert(Block::size == 32);
    Format f = Base::format(gguf_type);
    f.grid = IntegerGrid{Block::bits, Block::size, false};
    f.codes_tile = codes_tile;
    f.group_parameters = group_parameters;
    return f;
  }
};

}  // namespace farthing::gguf
