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

// What a codec multiplies codes with.
enum class KvScaling : uint8_t {
  none,
  of_position,  // a scale for each position and head, in the page
  of_head,      // a scale for each layer and kv head, fixed before anything is stored
};

// Where the scales of a page begin, in bytes: 64-byte aligned; vectors may be read up to 15
// elements past the last element.
__attribute__((always_inline)) constexpr int64_t kv_scales_offset(int64_t head_dim,
                                                                  int64_t element_bytes) {
  return (kv_page_positions * head_dim * element_bytes + 15 * element_bytes + 63) / 64 * 64;
}

// One line of the list. A page of one kv head is [elements][scales]: keys [head_dim][64], so that
// a vector holds one component of 16 positions, or values [64][head_dim]; then, only with scales of
// positions, 64 f32 scales.
struct KvCodecInfo {
  KvCodec codec;
  std::string_view name, description;
  int64_t element_bytes;
  KvScaling scaling;
  // Rounds x[count]; element i goes to index i * stride from `elements`. *scale: a position's is
  // written there, a head's is read.
  void (*encode)(const float* x, int64_t count, std::byte* elements, int64_t stride, float* scale);

  constexpr int64_t scales_offset(int64_t head_dim) const {
    return kv_scales_offset(head_dim, element_bytes);
  }
  constexpr int64_t page_bytes(int64_t head_dim) const {
    return scales_offset(head_dim) +
           (scaling == KvScaling::of_position ? kv_page_positions * 4 : 0);
  }
};

std::span<const KvCodecInfo> kv_codecs();
const KvCodecInfo& kv_codec_info(KvCodec codec);
std::optional<KvCodec> find_kv_codec(std::string_view name);
std::string kv_codec_names();  // "f32, f16, ...", for error messages

// Writes the key (or value) x[head_dim] of `position` (0..63) to a page; `head_scale`: where the
// codec has scales of heads.
void encode_key(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                float head_scale, std::byte* page);
void encode_value(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                  float head_scale, std::byte* page);

}  // namespace farthing
