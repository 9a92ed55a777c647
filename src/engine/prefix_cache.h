// PrefixCache: full pages of keys and values, found again by the tokens that they hold.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/attention/kv_cache.h"

namespace farthing {

// A page is known by its 64 tokens and the page before it: the hash of a page is XXH3 of its tokens
// seeded with the hash of its parent. Tokens and parent are compared too, so equal hashes of
// different texts do no harm. The cache holds one reference of each of its pages; a page that
// nobody else references may be evicted, the least recently used first, children before parents.
// Nothing is allocated after construction. For one thread.
class PrefixCache {
 public:
  // A page of the cache as others may remember it: it is checked when it is used.
  struct Link {
    int32_t page = -1;  // -1: before the first page
    uint32_t generation = 0;
  };

  // `most_pages`: the pool never has more.
  PrefixCache(std::shared_ptr<KvPool> pool, int64_t most_pages);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Appends to `pages` those that hold the beginning of `tokens`, as many as there are. They are
  // the most recently used now; the caller retains them before the next call. Gives the last one.
  Link match(std::span<const int32_t> tokens, std::vector<int32_t>& pages);

  // Remembers that `page` holds the 64 `tokens` behind `parent`. Gives the page that stands for
  // them, which is an older one where the same tokens were known; and false where the parent is
  // gone.
  bool insert(Link parent, std::span<const int32_t> tokens, int32_t page, Link& link);

  // Lets go of the least recently used page that nobody else references. False: there is none.
  bool evict();
  // How many pages evict() could free, one after another.
  int64_t evictable();
  int64_t pages() const { return size_; }

 private:
  struct Entry {
    uint64_t hash = 0;
    int32_t parent = -1, next_in_bucket = -1;
    int32_t newer = -1, older = -1;              // the list by last use
    int32_t children = 0, staying_children = 0;  // the latter only within evictable()
    uint32_t generation = 0;
    bool used = false;
  };
  Entry& entry(int32_t page) { return entries_[static_cast<size_t>(page)]; }
  int32_t& bucket(uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  int32_t find(uint64_t hash, int32_t parent, std::span<const int32_t> tokens);
  void unlink(int32_t page);
  void make_newest(int32_t page);
  void touch_with_parents(int32_t page);
  void remove(int32_t page);

  std::shared_ptr<KvPool> pool_;
  std::vector<Entry> entries_;    // by page
  std::vector<int32_t> tokens_;   // 64 of each page
  std::vector<int32_t> buckets_;  // a power of two
  int32_t newest_ = -1, oldest_ = -1;
  int64_t size_ = 0;
};

}  // namespace farthing
