// KvCache: pages that are allocated as a sequence grows.
#include "ops/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "ops/rows.h"

namespace farthing {

KvCache::KvCache(int64_t layers, int64_t kv_heads, int64_t head_dim, int64_t positions)
    : kv_heads_(kv_heads), head_dim_(head_dim) {
  CHECK(layers >= 1 && kv_heads >= 1 && head_dim >= 2 && head_dim <= 256 && head_dim % 2 == 0);
  layers_.resize(static_cast<size_t>(layers));
  reserve(positions);
}

void KvCache::reserve(int64_t positions) {
  const auto pages = static_cast<size_t>((positions + kv_page_positions - 1) / kv_page_positions);
  const int64_t page_elements = kv_heads_ * head_elements();
  for (Layer& layer : layers_)
    while (layer.storage.size() < pages) {
      layer.storage.push_back(
          Storage::allocate(2 * page_elements * static_cast<int64_t>(sizeof(float))));
      layer.keys.push_back(reinterpret_cast<float*>(layer.storage.back()->data()));
      layer.values.push_back(layer.keys.back() + page_elements);
    }
  capacity_ = std::max(capacity_, static_cast<int64_t>(pages) * kv_page_positions);
}

void KvCache::append(Context& context, int64_t layer, int64_t first_position,
                     View<const float, 2> k, View<const float, 2> v) {
  CHECK(layer >= 0 && layer < layers());
  CHECK(k.rows == v.rows && k.columns == kv_heads_ * head_dim_ && v.columns == k.columns);
  Layer& into = layers_[static_cast<size_t>(layer)];
  CHECK(first_position >= 0 && first_position <= into.length);
  const int64_t end = first_position + k.rows;
  reserve(end);
  into.length = end;
  const int64_t first_page = first_position / kv_page_positions;
  const int64_t pages = (end + kv_page_positions - 1) / kv_page_positions - first_page;
  // one (page, head) after another: the transposed stores of keys stay within 64 * head_dim floats
  ops::for_each_row(context, pages * kv_heads_, k.rows * head_dim_ / std::max<int64_t>(pages, 1),
                    [&](int64_t item) {
                      const int64_t page = first_page + item / kv_heads_, head = item % kv_heads_;
                      const int64_t origin = page * kv_page_positions;
                      float* keys = into.keys[static_cast<size_t>(page)] + head * head_elements();
                      float* values =
                          into.values[static_cast<size_t>(page)] + head * head_elements();
                      for (int64_t p = std::max(origin, first_position);
                           p < std::min(origin + kv_page_positions, end); ++p) {
                        const float* key = k.row(p - first_position) + head * head_dim_;
                        const float* value = v.row(p - first_position) + head * head_dim_;
                        for (int64_t d = 0; d < head_dim_; ++d)
                          keys[d * kv_page_positions + (p - origin)] = key[d];
                        std::memcpy(values + (p - origin) * head_dim_, value,
                                    static_cast<size_t>(head_dim_) * sizeof(float));
                      }
                    });
}

void KvCache::truncate(int64_t positions) {
  CHECK(positions >= 0);
  for (Layer& layer : layers_) layer.length = std::min(layer.length, positions);
}

int64_t KvCache::bytes() const {
  const int64_t position_elements = 2 * kv_heads_ * head_dim_;
  return layers() * capacity_ * position_elements * static_cast<int64_t>(sizeof(float));
}

KvPages KvCache::keys(int64_t layer, int64_t kv_head) const {
  return {layers_[static_cast<size_t>(layer)].keys.data(), kv_head * head_elements()};
}

KvPages KvCache::values(int64_t layer, int64_t kv_head) const {
  return {layers_[static_cast<size_t>(layer)].values.data(), kv_head * head_elements()};
}

}  // namespace farthing
