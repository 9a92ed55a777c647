// intB_gG_act_order: B-bit integers with zero points in groups of G inputs that are no runs: each
// input says its group. GPTQ quantizes columns by their activations (desc_act) and groups them in
// that order.
//
// Layout: planes codes, scales and zeros as intB_gG_asym has them (integer_group.h), inputs in
//         their own order.
//         plane groups, i32 [k]: the group of each input, in 0..ceil(k / G) - 1.
// Value:  scale[n][group[k]] * (code - zero[n][group[k]]), one rounding to f32.
// Rules:  encoding makes runs of G inputs, as intB_gG_asym: the same codes, scales and zeros.
// Bits:   B + (16 + B) / G a weight, and 32 an input.
// Source: g_idx of AutoGPTQ and GPTQModel; activation order, arXiv 2210.17323 and its code.
#pragma once

#include "formats/input_groups.h"
#include "formats/integer_group.h"

namespace farthing {

template <int bits, int64_t group>
struct ActOrder {
  using Runs = IntegerGroup<bits, group, GridKind::asymmetric>;
  using Base = IntegerCodes<bits>;
  using Base::codes_plane, Base::scales_plane, Base::zeros_plane;
  static constexpr int groups_plane = 3;

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType scale_dtype) {
    std::vector<PlaneSpec> out = Runs::planes(n, k, scale_dtype);
    out.push_back({"groups", DType::i32, {k}});
    return out;
  }

  // The weight of the planes that both have, which it shares.
  static QuantizedTensor in_runs(const QuantizedTensor& q) {
    static const Format format = Runs::format();
    return {&format, q.n, q.k, q.scale_dtype, {q.planes.begin(), q.planes.begin() + groups_plane}};
  }

  static EncodeReport prepare(QuantizedTensor& q, ThreadPool&, const float*, int64_t, ScaleRule) {
    int32_t* groups = q.planes[groups_plane].as<int32_t>();
    for (int64_t k = 0; k < q.k; ++k) groups[k] = static_cast<int32_t>(k / group);
    return {};
  }
  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    QuantizedTensor runs = in_runs(q);
    return Base::encode_tile(runs, tile, values, stride, rule);
  }
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule, const float* importance) {
    QuantizedTensor runs = in_runs(q);
    return Base::search_tile(runs, tile, values, stride, rule, importance);
  }

  // value(group, code) is exact up to its one rounding: whole numbers are.
  template <class Value>
  static void decode_row(const QuantizedTensor& q, int64_t n, Tile tile, float* values,
                         const Value& value) {
    const int32_t* group_of = q.planes[groups_plane].template as<int32_t>();
    uint8_t codes[Base::chunk];
    for (int64_t k = tile.k0; k < tile.k1; k += Base::chunk, values += Base::chunk) {
      const int64_t count = tile.k1 - k < Base::chunk ? tile.k1 - k : Base::chunk;
      Base::Codes::unpack(Base::row_of(q.planes[codes_plane], n), k, count, codes);
      for (int64_t i = 0; i < count; ++i)
        values[i] = value(group_of[k + i], static_cast<float>(codes[i]));
    }
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const int64_t groups = q.planes[scales_plane].shape()[1];
    constexpr int64_t most = 512;
    float scales[most], zeros[most];
    const auto scale_of = [&](int64_t n, int64_t g) {
      return load_scale(q.planes[scales_plane], n * groups + g);
    };
    const auto zero_of = [&](int64_t n, int64_t g) {
      return static_cast<float>(Base::Codes::get(Base::row_of(q.planes[zeros_plane], n), g));
    };
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      if (groups > most) {
        decode_row(q, n, tile, values,
                   [&](int64_t g, float code) { return scale_of(n, g) * (code - zero_of(n, g)); });
        continue;
      }
      for (int64_t g = 0; g < groups; ++g) scales[g] = scale_of(n, g), zeros[g] = zero_of(n, g);
      decode_row(q, n, tile, values,
                 [&](int64_t g, float code) { return scales[g] * (code - zeros[g]); });
    }
  }

  static Format format() {
    const Format runs = Runs::format();
    Format f;
    f.layout =
        "codes, scales, zero points and the group of each input in planes of their own; codes LSB "
        "first along k";
    f.value = runs.value;
    f.source = "g_idx of GPTQ's files; activation order, arXiv 2210.17323";
    f.scale_rules = runs.scale_rules;
    f.scale_block = runs.scale_block;
    f.input_groups = groups_plane;
    f.planes = planes;
    f.prepare = prepare;
    f.encode_tile = encode_tile;
    f.search_tile = search_tile;
    f.decode_tile = decode_tile;
    return f;
  }
};

}  // namespace farthing
