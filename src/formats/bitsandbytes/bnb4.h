// nf4, bnb_fp4, nf4_dq, bnb_fp4_dq: the 4-bit formats of bitsandbytes, 16 numbers times the absmax
// of a block of 64 of the flattened weight.
//
// Layout: plane codes, u8 [ceil(n k / 2)]: the matrix flattened row by row, the even element in the
//         high nibble.
//         plane absmax, f32 [ceil(n k / 64)]; a block crosses into the next row where k is no
//         multiple of 64, and the last one may be shorter.
//         _dq: planes absmax u8 [blocks], absmax_scales f32 [ceil(blocks / 256)], absmax_offset f32
//         [1].
// Value:  absmax * number, one rounding to f32; _dq: absmax = f32(f32(map[code] * scale) + offset)
//         with the dynamic map of dynamic_map.h.
// Rules:  the number nearest to w * f32(1 / absmax), the lower one of two that are equally near.
//         _dq: codes come from the exact absmax; offset is the mean of all absmax (in double,
//         rounded once; bitsandbytes adds in f32), the scale the largest |absmax - offset| of 256.
//         A block of zeros has absmax 0 and the code of 0.
// Bits:   4.5 a weight; _dq 4.127.
// Source: bitsandbytes (quantize_4bit, its backend without a processor's own code), QLoRA arXiv
//         2305.14314. The numbers are in code_book16.h.
#pragma once

#include <cstring>
#include <vector>

#include "base/check.h"
#include "formats/bitsandbytes/code_book16.h"
#include "formats/bitsandbytes/dynamic_map.h"
#include "formats/format.h"
#include "formats/group_search.h"

namespace farthing {

template <class Book, bool double_quantized>
struct Bnb4 {
  static constexpr int64_t block = 64;           // weights that share an absmax
  static constexpr int64_t nest = 256;           // absmaxes that share a scale
  static constexpr float least_absmax = 1e-38f;  // of the reciprocal
  static constexpr DynamicMap map{};
  enum { codes_plane, absmax_plane, nested_scales_plane, offset_plane };

  static int64_t blocks(int64_t n, int64_t k) { return (n * k + block - 1) / block; }

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    const int64_t count = blocks(n, k);
    std::vector<PlaneSpec> out = {{"codes", DType::u8, {(n * k + 1) / 2}},
                                  {"absmax", double_quantized ? DType::u8 : DType::f32, {count}}};
    if (double_quantized) {
      out.push_back({"absmax_scales", DType::f32, {(count + nest - 1) / nest}});
      out.push_back({"absmax_offset", DType::f32, {1}});
    }
    return out;
  }

  // Calls use(block, values, count) for each block of the tile; a block that crosses rows is put
  // together first.
  template <class Use>
  static void each_block(const QuantizedTensor& q, Tile tile, const float* values, int64_t stride,
                         const Use& use) {
    if (q.k % block == 0) {
      for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride)
        for (int64_t k = tile.k0; k < tile.k1; k += block)
          use((n * q.k + k) / block, values + (k - tile.k0), block);
      return;
    }
    const int64_t begin = tile.n0 * q.k, end = tile.n1 * q.k;
    CHECK(tile.k0 == 0 && tile.k1 == q.k && begin % block == 0 &&
          (end % block == 0 || tile.n1 == q.n));
    float gathered[block];
    for (int64_t at = begin; at < end; at += block) {
      const int64_t count = end - at < block ? end - at : block;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t flat = at + i - begin;
        gathered[i] = values[flat / q.k * stride + flat % q.k];
      }
      use(at / block, gathered, count);
    }
  }

  static float absmax_of(const QuantizedTensor& q, int64_t b) {
    if constexpr (!double_quantized) return q.planes[absmax_plane].template as<float>()[b];
    const float scaled = map.decode(q.planes[absmax_plane].template as<uint8_t>()[b]) *
                         q.planes[nested_scales_plane].template as<float>()[b / nest];
    return scaled + q.planes[offset_plane].template as<float>()[0];
  }

  static float reciprocal(float absmax) {
    return 1.0f / (absmax < least_absmax ? least_absmax : absmax);
  }

  // The second level: absmaxes of all blocks, their mean, and their codes.
  static EncodeReport prepare(QuantizedTensor& q, ThreadPool& pool, const float* values,
                              int64_t stride, ScaleRule) {
    std::vector<float> absmax(static_cast<size_t>(blocks(q.n, q.k)));
    pool.run([&](Part part) {
      const auto rows = part.range(q.n, rows_of_tile(*q.format, q.k));
      each_block(q, {rows.begin, rows.end, 0, q.k}, values + rows.begin * stride, stride,
                 [&](int64_t b, const float* of_block, int64_t count) {
                   const float amax = amax_of(of_block, count);
                   absmax[static_cast<size_t>(b)] = is_finite(amax) ? amax : 0.0f;
                 });
    });
    double sum = 0;
    for (const float each : absmax) sum += each;
    const auto offset = static_cast<float>(sum / static_cast<double>(absmax.size()));
    q.planes[offset_plane].template as<float>()[0] = offset;
    for (float& each : absmax) each -= offset;
    for (size_t begin = 0; begin < absmax.size(); begin += nest) {
      const size_t end = begin + nest < absmax.size() ? begin + nest : absmax.size();
      const float scale = extremes_of(&absmax[begin], static_cast<int64_t>(end - begin)).amax();
      q.planes[nested_scales_plane].template as<float>()[begin / nest] = scale;
      const float inverse = reciprocal(scale);
      for (size_t i = begin; i < end; ++i)
        q.planes[absmax_plane].template as<uint8_t>()[i] = map.encode(absmax[i] * inverse);
    }
    return {};
  }

  // An absmax with a small weighted squared error: from a little above the largest weight to the
  // part of it that is worth keeping.
  static float search_absmax(float absmax, const float* values, const float* importance,
                             int64_t count) {
    struct Nearest {
      float operator()(float x) const {
        return Book::values[Book::order[NearestOf16<Book>::index(x)]];
      }
    };
    ScaleSearch search(values, importance, count, Nearest{});
    constexpr RangeFactors factors = range_factors(4);
    for (int i = 0; i < factors.count; ++i)
      search.consider(absmax * factors[i], [](float scale) { return scale; });
    return search.best() > 0 ? search.best() : absmax;
  }

  static void encode_block(QuantizedTensor& q, int64_t b, const float* values, int64_t count,
                           const float* importance, EncodeReport& report) {
    float absmax = amax_of(values, count);
    if (!is_finite(absmax)) {
      report.nonfinite += 1;
      return;
    }
    if (importance != nullptr && absmax != 0)
      absmax = search_absmax(absmax, values, importance, count);
    const float inverse = reciprocal(absmax);
    if constexpr (!double_quantized) q.planes[absmax_plane].template as<float>()[b] = absmax;
    const int of_absmax = NearestOf16<Book>::index(absmax * inverse);
    if (absmax == 0) report.zero_groups += 1;
    if (absmax != 0 && Book::values[Book::order[of_absmax]] == 0) report.flushed_groups += 1;
    float scaled[block] = {};
    for (int64_t i = 0; i < count; ++i) scaled[i] = values[i] * inverse;
    uint8_t codes[block];
    for (int64_t i = 0; i < block; ++i)
      codes[i] = static_cast<uint8_t>(NearestOf16<Book>::index(scaled[i]));
    uint8_t packed[block / 2];
    for (int64_t i = 0; i < block / 2; ++i)
      packed[i] = static_cast<uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);
    if constexpr (!Book::ascending)
      for (uint8_t& pair : packed) pair = pairs_in_order<Book>[pair];
    std::memcpy(q.planes[codes_plane].template as<uint8_t>() + b * block / 2, packed,
                static_cast<size_t>((count + 1) / 2));
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    each_block(q, tile, values, stride, [&](int64_t b, const float* of_block, int64_t count) {
      encode_block(q, b, of_block, count, nullptr, report);
    });
    return report;
  }

  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule, const float* importance) {
    EncodeReport report;
    float gathered[block];
    each_block(q, tile, values, stride, [&](int64_t b, const float* of_block, int64_t count) {
      for (int64_t i = 0; i < count; ++i) gathered[i] = importance[(b * block + i) % q.k - tile.k0];
      encode_block(q, b, of_block, count, gathered, report);
    });
    return report;
  }

  static void put_codes(QuantizedTensor& q, int64_t n0, int64_t n1, const uint8_t* codes,
                        int64_t stride) {
    uint8_t* stored = q.planes[codes_plane].template as<uint8_t>();
    for (int64_t n = n0; n < n1; ++n, codes += stride) {
      for (int64_t k = 0; k < q.k; ++k) {
        const int64_t at = n * q.k + k;
        const int shift = at % 2 == 0 ? 4 : 0;
        stored[at / 2] =
            static_cast<uint8_t>((stored[at / 2] & ~(15 << shift)) | codes[k] << shift);
      }
    }
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const uint8_t* codes = q.planes[codes_plane].template as<uint8_t>();
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const int64_t end = n * q.k + tile.k1;
      float* to = values;
      for (int64_t at = n * q.k + tile.k0; at < end;) {
        const int64_t b = at / block, stop = (b + 1) * block < end ? (b + 1) * block : end;
        const float absmax = absmax_of(q, b);
        for (; at < stop; ++at)
          *to++ = absmax * Book::values[codes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15];
      }
    }
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 4};
    e.book = Book::values;
    e.group = block;
    e.codes = [](const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
      const uint8_t* stored = q.planes[codes_plane].template as<uint8_t>();
      for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride) {
        for (int64_t k = tile.k0; k < tile.k1; ++k) {
          const int64_t at = n * q.k + k;
          codes[k - tile.k0] = stored[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15;
        }
      }
    };
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      return ElementScale{absmax_of(q, (n * q.k + k) / block)};
    };
    return e;
  }

  static Format format() {
    static const std::string value = "absmax * number: " + std::string(Book::name);
    Format f;
    f.layout = double_quantized
                   ? "blocks of 64 of the flattened matrix, even element in the high nibble; the "
                     "absmax of a block as an 8-bit dynamic code, 256 to a scale"
                   : "blocks of 64 of the flattened matrix, even element in the high nibble; f32 "
                     "absmax of each in a plane of its own";
    f.value = value;
    f.source = "bitsandbytes; QLoRA, arXiv 2305.14314";
    f.scale_dtype = DType::f32;
    f.scale_block = {1, block, true};
    f.planes = planes;
    if (double_quantized) f.prepare = prepare;
    f.encode_tile = encode_tile;
    if (!double_quantized) f.search_tile = search_tile;  // else prepare chose the absmaxes
    f.put_codes = put_codes;
    f.decode_tile = decode_tile;
    f.elements = elements();
    return f;
  }
};

}  // namespace farthing
