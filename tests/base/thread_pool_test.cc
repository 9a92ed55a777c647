// ThreadPool and Part: every part once, every item once.
#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace farthing {
namespace {

class ThreadPoolOfSize : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ThreadPoolOfSize, testing::Values(1, 2, 3, 7));

TEST_P(ThreadPoolOfSize, RunsEveryPartOnceInEveryJob) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.size(), GetParam());
  std::vector<std::atomic<int>> runs(static_cast<size_t>(GetParam()));
  constexpr int jobs = 2000;
  for (int job = 0; job < jobs; ++job) {
    pool.run([&](Part part) {
      EXPECT_EQ(part.count, GetParam());
      runs[static_cast<size_t>(part.index)].fetch_add(1);
    });
    for (const auto& count : runs)
      ASSERT_EQ(count.load(), job + 1);  // all parts ended before run() did
  }
}

TEST_P(ThreadPoolOfSize, WakesThreadsThatSleep) {
  ThreadPool pool(GetParam());
  for (int job = 0; job < 3; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // far beyond the spinning
    std::atomic<int> runs{0};
    pool.run([&](Part) { runs.fetch_add(1); });
    EXPECT_EQ(runs.load(), GetParam());
  }
}

TEST_P(ThreadPoolOfSize, EveryThreadKeepsDenormalsAndRoundsToNearest) {
  ThreadPool pool(GetParam());
  std::vector<unsigned> modes(static_cast<size_t>(GetParam()));
  pool.run([&](Part part) { modes[static_cast<size_t>(part.index)] = _mm_getcsr(); });
  constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x40, rounding = 0x6000;
  for (const unsigned mode : modes)
    EXPECT_EQ(mode & (flush_to_zero | denormals_are_zero | rounding), 0u);
}

// Returns at all: the destructor wakes and joins threads that never had a job.
TEST_P(ThreadPoolOfSize, EndsWithoutHavingRun) {
  EXPECT_EQ(ThreadPool(GetParam()).size(), GetParam());
}

TEST(Part, RangesCoverEveryItemOnceInOrderAndBreakOnlyAtGrains) {
  for (const int count : {1, 2, 3, 8})
    for (const int64_t items : {0, 1, 7, 8, 64, 1000})
      for (const int64_t grain : {1, 4, 16}) {
        int64_t at = 0;
        for (int index = 0; index < count; ++index) {
          const auto range = Part{index, count}.range(items, grain);
          ASSERT_EQ(range.begin, at);
          ASSERT_LE(range.begin, range.end);
          if (range.end != items) {
            ASSERT_EQ(range.end % grain, 0);
          }
          at = range.end;
        }
        ASSERT_EQ(at, items) << count << " parts of " << items << " by " << grain;
      }
}

TEST(AvailableProcessors, AreAtLeastOne) { EXPECT_GE(available_processors(), 1); }

}  // namespace
}  // namespace farthing
