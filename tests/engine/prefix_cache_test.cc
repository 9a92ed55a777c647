// Which pages the prefix cache finds, and which it lets go of first.
#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

std::vector<int32_t> pages_of(std::initializer_list<int32_t> numbers) {
  std::vector<int32_t> out;
  for (const int32_t number : numbers) out.insert(out.end(), kv_page_positions, number);
  return out;
}

struct Fixture {
  std::shared_ptr<KvPool> pool = std::make_shared<KvPool>(KvLayout{1, 1, 2});
  PrefixCache cache{pool, 16};

  // Remembers a text, each page with a new page of the pool that nobody else keeps.
  std::vector<int32_t> remember(const std::vector<int32_t>& tokens) {
    std::vector<int32_t> out;
    PrefixCache::Link link;
    for (size_t begin = 0; begin < tokens.size(); begin += kv_page_positions) {
      const int32_t page = pool->take();
      EXPECT_TRUE(
          cache.insert(link, std::span(tokens).subspan(begin, kv_page_positions), page, link));
      pool->release(page);
      out.push_back(link.page);
    }
    return out;
  }
  std::vector<int32_t> find(const std::vector<int32_t>& tokens) {
    std::vector<int32_t> out;
    cache.match(tokens, out);
    return out;
  }
};

using Pages = std::vector<int32_t>;

TEST(PrefixCache, FindsTheLongestBeginningOfFullPages) {
  Fixture f;
  const Pages abc = f.remember(pages_of({1, 2, 3}));
  EXPECT_EQ(f.find(pages_of({1, 2, 3})), abc);
  EXPECT_EQ(f.find(pages_of({1, 2, 4})), (Pages{abc[0], abc[1]}));
  EXPECT_EQ(f.find(pages_of({2})), Pages{});
  auto tokens = pages_of({1, 2});
  tokens.pop_back();
  EXPECT_EQ(f.find(tokens), Pages{abc[0]});
}

TEST(PrefixCache, TheSameTokensBehindOtherTokensAreAnotherPage) {
  Fixture f;
  const Pages a = f.remember(pages_of({1, 3})), b = f.remember(pages_of({2, 3}));
  EXPECT_NE(a[1], b[1]);
  EXPECT_EQ(f.find(pages_of({2, 3})), b);
}

TEST(PrefixCache, TheSameTextIsKeptOnce) {
  Fixture f;
  const Pages a = f.remember(pages_of({1, 2}));
  EXPECT_EQ(f.remember(pages_of({1, 2})), a);
  EXPECT_EQ(f.cache.pages(), 2);
  EXPECT_EQ(f.pool->pages() - f.pool->free_pages(), 2);
}

TEST(PrefixCache, TheLeastRecentlyUsedGoesFirstAndChildrenBeforeParents) {
  Fixture f;
  const Pages a = f.remember(pages_of({1, 2})), b = f.remember(pages_of({3, 4}));
  f.find(pages_of({1, 2}));
  EXPECT_EQ(f.cache.evictable(), 4);
  EXPECT_TRUE(f.cache.evict());
  EXPECT_EQ(f.find(pages_of({3, 4})), Pages{b[0]});
  EXPECT_TRUE(f.cache.evict());  // the look-up made 3 the newest: now 2 behind 1
  EXPECT_EQ(f.find(pages_of({1, 2})), Pages{a[0]});
  EXPECT_TRUE(f.cache.evict());
  EXPECT_TRUE(f.cache.evict());
  EXPECT_FALSE(f.cache.evict());
  EXPECT_EQ(f.pool->free_pages(), f.pool->pages());
}

TEST(PrefixCache, PagesThatOthersReferenceAndTheirParentsStay) {
  Fixture f;
  const Pages a = f.remember(pages_of({1, 2, 3}));
  f.pool->retain(a[1]);
  EXPECT_EQ(f.cache.evictable(), 1);
  EXPECT_TRUE(f.cache.evict());
  EXPECT_FALSE(f.cache.evict());
  EXPECT_EQ(f.find(pages_of({1, 2, 3})), (Pages{a[0], a[1]}));
}

TEST(PrefixCache, APageBehindOneThatWasEvictedIsRefused) {
  Fixture f;
  const auto tokens = pages_of({1});
  const int32_t page = f.pool->take();
  PrefixCache::Link link;
  ASSERT_TRUE(f.cache.insert({}, tokens, page, link));
  f.pool->release(page);
  EXPECT_TRUE(f.cache.evict());
  f.remember(pages_of({9}));  // the same page again, with other tokens
  PrefixCache::Link next;
  const int32_t child = f.pool->take();
  EXPECT_FALSE(f.cache.insert(link, pages_of({2}), child, next));
}

}  // namespace
}  // namespace farthing
