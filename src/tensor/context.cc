// Workspace: blocks that grow on first use and are kept.
#include "tensor/context.h"

#include <algorithm>

namespace farthing {

std::byte* Workspace::take_bytes(int64_t bytes) {
  constexpr int64_t least_block = int64_t{1} << 20;
  const int64_t rounded = (bytes + 63) / 64 * 64;
  while (block_ < blocks_.size() && used_ + rounded > blocks_[block_]->bytes()) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    blocks_.push_back(Storage::allocate(std::max(rounded, least_block)));
  }
  std::byte* out = blocks_[block_]->data() + used_;
  used_ += rounded;
  in_use_ += rounded;
  most_in_use_ = std::max(most_in_use_, in_use_);
  return out;
}

void Workspace::join_blocks() {
  blocks_.clear();  // first, so that both are never there at once
  blocks_.push_back(Storage::allocate(most_in_use_));
}

int64_t Workspace::bytes() const {
  int64_t sum = 0;
  for (const auto& block : blocks_) sum += block->bytes();
  return sum;
}

}  // namespace farthing
