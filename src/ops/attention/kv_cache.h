// The KV cache: a pool of reference-counted pages, and the page table of one sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/attention/attention.h"
#include "tensor/context.h"

namespace farthing {

// The scales of a codec that has one for each head, [layers][kv_heads].
struct KvScales {
  std::vector<float> keys, values;
  bool operator==(const KvScales&) const = default;
};

// What a page holds: 64 positions of every layer's keys and values.
struct KvLayout {
  int64_t layers, kv_heads, head_dim;  // head_dim is even and at most 256
  KvCodec codec = KvCodec::f32;
  std::shared_ptr<const KvScales> scales = nullptr;  // with scales of heads

  // Bytes of one head's keys (or values) of a page, of a whole page, and where a head's begin.
  int64_t head_bytes() const { return kv_codec_info(codec).page_bytes(head_dim); }
  int64_t page_bytes() const { return layers * 2 * kv_heads * head_bytes(); }
  int64_t keys_offset(int64_t layer, int64_t kv_head) const {
    return (layer * 2 * kv_heads + kv_head) * head_bytes();
  }
  int64_t values_offset(int64_t layer, int64_t kv_head) const {
    return keys_offset(layer, kv_head) + kv_heads * head_bytes();
  }
  // 0 where the codec has no scales of heads.
  float key_scale(int64_t layer, int64_t kv_head) const {
    return scales == nullptr ? 0 : scales->keys[static_cast<size_t>(layer * kv_heads + kv_head)];
  }
  float value_scale(int64_t layer, int64_t kv_head) const {
    return scales == nullptr ? 0 : scales->values[static_cast<size_t>(layer * kv_heads + kv_head)];
  }
};

// Pages of one model, shared by its sequences. Not for several threads at once.
class KvPool {
 public:
  explicit KvPool(KvLayout layout);

  const KvLayout& layout() const { return layout_; }
  // Makes the memory of `pages` pages in all, so that taking up to there allocates nothing.
  void reserve(int64_t pages);
  // A page with one reference; grows the pool where none is free.
  int32_t take();
  void retain(int32_t page) { ++references_[static_cast<size_t>(page)]; }
  // The page is free again when its last reference goes.
  void release(int32_t page);

  int64_t references(int32_t page) const { return references_[static_cast<size_t>(page)]; }
  int64_t pages() const { return static_cast<int64_t>(storage_.size()); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  std::byte* data(int32_t page) { return storage_[static_cast<size_t>(page)]->data(); }

 private:
  KvLayout layout_;
  std::vector<std::shared_ptr<Storage>> storage_;
  std::vector<int32_t> references_, free_;
};

// The keys and values of one sequence.
class KvCache {
 public:
  explicit KvCache(std::shared_ptr<KvPool> pool);
  // With a pool of its own and room for `positions` positions.
  explicit KvCache(KvLayout layout, int64_t positions = 0);
  ~KvCache();
  KvCache(KvCache&& other) noexcept = default;
  KvCache& operator=(KvCache&& other) noexcept;

  // Takes pages for `positions` positions: appending up to there takes none.
  void reserve(int64_t positions);
  // Begins with pages of another sequence that hold the same tokens from position 0 on; they are
  // never written again. Only while the cache is empty.
  void share(std::span<const int32_t> pages);

  // A cache that begins with the first `positions` of this one, which every layer holds: the pages
  // that they fill are shared, one that they fill in part is copied.
  KvCache fork(int64_t positions) const;

  // Rounds the keys and values k, v [m, kv_heads * head_dim] of a layer by the codec into
  // first_position .. first_position + m - 1. What lies behind is forgotten; first_position is at
  // most the layer's length, and not on a shared page. Takes pages where there is no room.
  void append(Context& context, int64_t layer, int64_t first_position, View<const float, 2> k,
              View<const float, 2> v);

  // Forgets, in every layer, the positions from `positions` on. Pages stay.
  void truncate(int64_t positions);

  const KvLayout& layout() const { return pool_->layout(); }
  int64_t layers() const { return layout().layers; }
  int64_t kv_heads() const { return layout().kv_heads; }
  int64_t head_dim() const { return layout().head_dim; }
  // Positions that the layer holds, and those there is room for.
  int64_t length(int64_t layer) const { return lengths_[static_cast<size_t>(layer)]; }
  int64_t capacity() const { return static_cast<int64_t>(pages_.size()) * kv_page_positions; }
  int64_t bytes() const { return static_cast<int64_t>(pages_.size()) * layout().page_bytes(); }
  std::span<const int32_t> pages() const { return pages_; }

  // One kv head's pages, as the attention kernels read them.
  KvPages keys(int64_t layer, int64_t kv_head) const;
  KvPages values(int64_t layer, int64_t kv_head) const;

 private:
  std::shared_ptr<KvPool> pool_;
  std::vector<int32_t> pages_;
  std::vector<std::byte*> data_;  // of each page
  std::vector<int64_t> lengths_;  // of each layer
  int64_t shared_positions_ = 0;
};

}  // namespace farthing
