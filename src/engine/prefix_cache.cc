// A hash table of pages, and a list of them by last use, both by index.
#include "engine/prefix_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace farthing {
namespace {

uint64_t hash_of(uint64_t parent, std::span<const int32_t> tokens) {
  return XXH3_64bits_withSeed(tokens.data(), tokens.size_bytes(), parent);
}

}  // namespace

PrefixCache::PrefixCache(std::shared_ptr<KvPool> pool, int64_t most_pages)
    : pool_(std::move(pool)),
      entries_(static_cast<size_t>(most_pages)),
      tokens_(static_cast<size_t>(most_pages * kv_page_positions)),
      buckets_(std::bit_ceil(static_cast<size_t>(2 * most_pages + 1)), -1) {}

PrefixCache::~PrefixCache() {
  for (int32_t page = oldest_; page >= 0; page = entry(page).newer) pool_->release(page);
}

int32_t PrefixCache::find(uint64_t hash, int32_t parent, std::span<const int32_t> tokens) {
  for (int32_t page = bucket(hash); page >= 0; page = entry(page).next_in_bucket) {
    const Entry& e = entry(page);
    if (e.hash == hash && e.parent == parent &&
        std::equal(tokens.begin(), tokens.end(), tokens_.begin() + page * kv_page_positions))
      return page;
  }
  return -1;
}

void PrefixCache::unlink(int32_t page) {
  const Entry& e = entry(page);
  (e.newer >= 0 ? entry(e.newer).older : newest_) = e.older;
  (e.older >= 0 ? entry(e.older).newer : oldest_) = e.newer;
}

void PrefixCache::make_newest(int32_t page) {
  Entry& e = entry(page);
  e.newer = -1;
  e.older = newest_;
  (newest_ >= 0 ? entry(newest_).newer : oldest_) = page;
  newest_ = page;
}

// Parents last: every page is more recent than its children.
void PrefixCache::touch_with_parents(int32_t page) {
  for (; page >= 0; page = entry(page).parent) {
    unlink(page);
    make_newest(page);
  }
}

PrefixCache::Link PrefixCache::match(std::span<const int32_t> tokens, std::vector<int32_t>& pages) {
  int32_t parent = -1;
  uint64_t hash = 0;
  for (; tokens.size() >= kv_page_positions; tokens = tokens.subspan(kv_page_positions)) {
    const auto of_page = tokens.first(kv_page_positions);
    hash = hash_of(hash, of_page);
    const int32_t page = find(hash, parent, of_page);
    if (page < 0) break;
    pages.push_back(page);
    parent = page;
  }
  touch_with_parents(parent);
  return {parent, parent < 0 ? 0 : entry(parent).generation};
}

bool PrefixCache::insert(Link parent, std::span<const int32_t> tokens, int32_t page, Link& link) {
  CHECK(tokens.size() == kv_page_positions && page >= 0 &&
        page < static_cast<int64_t>(entries_.size()));
  if (parent.page >= 0) {
    const Entry& p = entry(parent.page);
    if (!p.used || p.generation != parent.generation) return false;
  }
  const uint64_t hash = hash_of(parent.page < 0 ? 0 : entry(parent.page).hash, tokens);
  int32_t known = find(hash, parent.page, tokens);
  if (known < 0) {
    known = page;
    Entry& e = entry(page);
    CHECK(!e.used);
    pool_->retain(page);
    std::copy(tokens.begin(), tokens.end(), tokens_.begin() + page * kv_page_positions);
    e.used = true;
    e.hash = hash;
    e.parent = parent.page;
    e.children = 0;
    e.next_in_bucket = bucket(hash);
    bucket(hash) = page;
    if (parent.page >= 0) ++entry(parent.page).children;
    make_newest(page);
    ++size_;
  }
  touch_with_parents(known);
  link = {known, entry(known).generation};
  return true;
}

void PrefixCache::remove(int32_t page) {
  Entry& e = entry(page);
  int32_t* at = &bucket(e.hash);
  while (*at != page) at = &entry(*at).next_in_bucket;
  *at = e.next_in_bucket;
  unlink(page);
  if (e.parent >= 0) --entry(e.parent).children;
  e.used = false;
  ++e.generation;
  --size_;
  pool_->release(page);
}

bool PrefixCache::evict() {
  for (int32_t page = oldest_; page >= 0; page = entry(page).newer) {
    if (entry(page).children > 0 || pool_->references(page) > 1) continue;
    remove(page);
    return true;
  }
  return false;
}

// A page that no sequence references may have a child that one does (that sequence computed the
// parent's tokens itself): such a parent stays. From the oldest on children come before parents.
int64_t PrefixCache::evictable() {
  int64_t count = 0;
  for (int32_t page = oldest_; page >= 0; page = entry(page).newer) {
    Entry& e = entry(page);
    const bool stays = pool_->references(page) > 1 || e.staying_children > 0;
    e.staying_children = 0;
    if (!stays) {
      ++count;
    } else if (e.parent >= 0) {
      ++entry(e.parent).staying_children;
    }
  }
  return count;
}

}  // namespace farthing
