// The list of KV codecs, and the places of a position's elements in a page.
#include "kernels/attention/kv_codec.h"

#include "kernels/attention/codecs/bf16.h"
#include "kernels/attention/codecs/f16.h"
#include "kernels/attention/codecs/f32.h"
#include "kernels/attention/codecs/int8.h"
#include "kernels/attention/codecs/int8_static.h"

namespace farthing {

namespace {
constexpr KvCodecInfo table[] = {
#define FARTHING_KV_CODEC(name, Type) \
  {KvCodec::name, #name, Type::description, Type::element_bytes, Type::scaling, Type::encode},
#include "kernels/attention/kv_codecs.inc"
#undef FARTHING_KV_CODEC
};

// Where `encode` finds or puts the scale.
float* scale_of(const KvCodecInfo& codec, int64_t head_dim, int64_t position, float* head_scale,
                std::byte* page) {
  if (codec.scaling == KvScaling::of_head) return head_scale;
  return reinterpret_cast<float*>(page + codec.scales_offset(head_dim)) + position;
}
}  // namespace

std::span<const KvCodecInfo> kv_codecs() { return table; }
const KvCodecInfo& kv_codec_info(KvCodec codec) { return table[static_cast<size_t>(codec)]; }

std::optional<KvCodec> find_kv_codec(std::string_view name) {
  for (const KvCodecInfo& info : table)
    if (info.name == name) return info.codec;
  return std::nullopt;
}

std::string kv_codec_names() {
  std::string out;
  for (const KvCodecInfo& info : table) out += (out.empty() ? "" : ", ") + std::string(info.name);
  return out;
}

void encode_key(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                float head_scale, std::byte* page) {
  codec.encode(x, head_dim, page + position * codec.element_bytes, kv_page_positions,
               scale_of(codec, head_dim, position, &head_scale, page));
}

void encode_value(const KvCodecInfo& codec, const float* x, int64_t head_dim, int64_t position,
                  float head_scale, std::byte* page) {
  codec.encode(x, head_dim, page + position * head_dim * codec.element_bytes, 1,
               scale_of(codec, head_dim, position, &head_scale, page));
}

}  // namespace farthing
