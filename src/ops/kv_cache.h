// KvCache: the keys and values of one sequence, in pages of 64 positions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/attention/attention.h"
#include "tensor/context.h"

namespace farthing {

class KvCache {
 public:
  // Room for `positions` positions in each layer. head_dim is even and at most 256.
  KvCache(int64_t layers, int64_t kv_heads, int64_t head_dim, int64_t positions = 0);

  // Room for `positions` positions: appending up to there allocates nothing.
  void reserve(int64_t positions);

  // Writes the keys and values k, v [m, kv_heads * head_dim] of a layer to first_position ..
  // first_position + m - 1. What lies behind is forgotten; first_position is at most the layer's
  // length. Grows where there is no room.
  void append(Context& context, int64_t layer, int64_t first_position, View<const float, 2> k,
              View<const float, 2> v);

  // Forgets, in every layer, the positions from `positions` on.
  void truncate(int64_t positions);

  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }
  int64_t kv_heads() const { return kv_heads_; }
  int64_t head_dim() const { return head_dim_; }
  // Positions that the layer holds, and those it has room for.
  int64_t length(int64_t layer) const { return layers_[static_cast<size_t>(layer)].length; }
  int64_t capacity() const { return capacity_; }
  int64_t bytes() const;

  // One kv head's pages, as the attention kernels read them.
  KvPages keys(int64_t layer, int64_t kv_head) const;
  KvPages values(int64_t layer, int64_t kv_head) const;

 private:
  struct Layer {
    std::vector<std::shared_ptr<Storage>> storage;  // a page of keys, then a page of values
    std::vector<float*> keys, values;
    int64_t length = 0;
  };
  int64_t head_elements() const { return kv_page_positions * head_dim_; }

  int64_t kv_heads_, head_dim_, capacity_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace farthing
