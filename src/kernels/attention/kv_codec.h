// KvCodec: how a page of a KV cache stores keys and values, and the layout of a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace farthing {

inline constexpr int64_t kv_page_positions = 64;

enum class KvCodec : uint8_t {
#define FARTHING_KV_CODEC(name, Type) name,
#include "kernels/attention/kv_codecs.inc"
#undef FARTHING_KV_CODEC
};

// Where the scales of a page begin, in bytes: 64-byte aligned; vectors may be read up to 15
// elements past the last element.
__attribute__((always_inline)) constexpr int64_t kv_scales_offset(int64_t head_dim,
                                                                  int64_t element_bytes) {
  return (kv_page_positions * head_dim * element_bytes + 15 * element_bytes + 63) / 64 * 64;
}

// One line of the list. A page of one kv head is [elements][scales]: keys [head_dim][64], so that
// a vector holds one component of 16 positions, or values [64][head_dim]; then, only with a scaled
// codec, 64 f32 scales, one a position.
struct KvCodecInfo {
  KvCodec codec;
  std::string_view name, description;
  int64_t element_bytes;
  bool scaled;
  // Rounds x[count]; element i goes to index i * stride from `elements`, the scale to *scale.
  void (*encode)(const float* x, int64_t count, std::byte* elements, int64_t stride, float* scale);

  constexpr int64_t scales_offset(int64_t head_dim) const {
    return kv_scales_offset(head_dim, element_bytes);
  }
  constexpr int64_t page_bytes(int64_t head_dim) const {
    return scales_offset(head_dim) + (scaled ? kv_page_positions * 4 : 0);
  }
};

std::span<const KvCodecInfo> kv_codecs();
const KvCodecInfo& kv_codec_info(KvCodec codec);
std::optional<KvCodec> find_kv_codec(std::string_view name);
std::string kv_codec_names();  // "f32, f16, ...", for error messages

// Writes the key (or value) x[head_dim] of `position` (0..63) to a page.
void encode_key(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                std::byte* page);
void encode_value(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                  std::byte* page);

}  // namespace farthing
