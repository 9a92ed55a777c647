// Pages are taken as a sequence grows and given back when it ends.
#include "ops/attention/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "ops/rows.h"

namespace farthing {

KvPool::KvPool(KvLayout layout) : layout_(std::move(layout)) {
  CHECK(layout_.layers >= 1 && layout_.kv_heads >= 1);
  CHECK(layout_.head_dim >= 2 && layout_.head_dim <= 256 && layout_.head_dim % 2 == 0);
  const auto heads = static_cast<size_t>(layout_.layers * layout_.kv_heads);
  CHECK(kv_codec_info(layout_.codec).scaling != KvScaling::of_head ||
        (layout_.scales != nullptr && layout_.scales->keys.size() == heads &&
         layout_.scales->values.size() == heads));
}

void KvPool::reserve(int64_t wanted) {
  while (pages() < wanted) {
    free_.push_back(static_cast<int32_t>(pages()));
    storage_.push_back(Storage::allocate(layout_.page_bytes()));
    references_.push_back(0);
  }
}

int32_t KvPool::take() {
  if (free_.empty()) reserve(pages() + 1);
  const int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  return page;
}

void KvPool::release(int32_t page) {
  int32_t& references = references_[static_cast<size_t>(page)];
  CHECK(references > 0);
  if (--references == 0) free_.push_back(page);
}

KvCache::KvCache(std::shared_ptr<KvPool> pool)
    : pool_(std::move(pool)), lengths_(static_cast<size_t>(pool_->layout().layers), 0) {}

KvCache::KvCache(KvLayout layout, int64_t positions)
    : KvCache(std::make_shared<KvPool>(std::move(layout))) {
  reserve(positions);
}

KvCache::~KvCache() {
  if (pool_ == nullptr) return;  // moved from
  for (const int32_t page : pages_) pool_->release(page);
}

KvCache& KvCache::operator=(KvCache&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(pages_, other.pages_);
  std::swap(data_, other.data_);
  std::swap(lengths_, other.lengths_);
  std::swap(shared_positions_, other.shared_positions_);
  return *this;
}

void KvCache::reserve(int64_t positions) {
  while (capacity() < positions) {
    pages_.push_back(pool_->take());
    data_.push_back(pool_->data(pages_.back()));
  }
}

void KvCache::share(std::span<const int32_t> pages) {
  CHECK(pages_.empty());
  for (const int32_t page : pages) {
    pool_->retain(page);
    pages_.push_back(page);
    data_.push_back(pool_->data(page));
  }
  shared_positions_ = capacity();
  for (int64_t& length : lengths_) length = shared_positions_;
}

KvCache KvCache::fork(int64_t positions) const {
  for (const int64_t length : lengths_) CHECK(positions >= 0 && positions <= length);
  KvCache out(pool_);
  const auto whole = static_cast<size_t>(positions / kv_page_positions);
  out.share(std::span(pages_).first(whole));
  out.reserve(positions);
  if (out.pages_.size() > whole)
    std::memcpy(out.data_[whole], data_[whole], static_cast<size_t>(layout().page_bytes()));
  for (int64_t& length : out.lengths_) length = positions;
  return out;
}

void KvCache::append(Context& context, int64_t layer, int64_t first_position,
                     View<const float, 2> k, View<const float, 2> v) {
  CHECK(layer >= 0 && layer < layers());
  CHECK(k.rows == v.rows && k.columns == kv_heads() * head_dim() && v.columns == k.columns);
  int64_t& length = lengths_[static_cast<size_t>(layer)];
  CHECK(first_position >= shared_positions_ && first_position <= length);
  const int64_t end = first_position + k.rows;
  reserve(end);
  length = end;
  const KvCodecInfo& codec = kv_codec_info(layout().codec);
  const int64_t first_page = first_position / kv_page_positions, d = head_dim();
  const int64_t pages = (end + kv_page_positions - 1) / kv_page_positions - first_page;
  // one (page, head) after another: the transposed stores of keys stay within one head's page
  ops::for_each_row(context, pages * kv_heads(), k.rows * d / std::max<int64_t>(pages, 1),
                    [&](int64_t item) {
                      const int64_t page = first_page + item / kv_heads(), head = item % kv_heads();
                      const int64_t origin = page * kv_page_positions;
                      std::byte* data = data_[static_cast<size_t>(page)];
                      std::byte* keys = data + layout().keys_offset(layer, head);
                      std::byte* values = data + layout().values_offset(layer, head);
                      for (int64_t p = std::max(origin, first_position);
                           p < std::min(origin + kv_page_positions, end); ++p) {
                        encode_key(codec, k.row(p - first_position) + head * d, d, p - origin,
                                   layout().key_scale(layer, head), keys);
                        encode_value(codec, v.row(p - first_position) + head * d, d, p - origin,
                                     layout().value_scale(layer, head), values);
                      }
                    });
}

void KvCache::truncate(int64_t positions) {
  CHECK(positions >= shared_positions_);
  for (int64_t& length : lengths_) length = std::min(length, positions);
}

KvPages KvCache::keys(int64_t layer, int64_t kv_head) const {
  return {data_.data(), layout().keys_offset(layer, kv_head), layout().codec,
          layout().key_scale(layer, kv_head)};
}

KvPages KvCache::values(int64_t layer, int64_t kv_head) const {
  return {data_.data(), layout().values_offset(layer, kv_head), layout().codec,
          layout().value_scale(layer, kv_head)};
}

}  // namespace farthing
