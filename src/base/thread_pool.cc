// ThreadPool: a generation counter starts a job, a countdown ends it.
#include "base/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/float_mode.h"

namespace farthing {

namespace {
// A pause is up to 140 cycles: about 10 us cover the gaps between the operators of one decode step
// where each thread has a processor. Where another process shares it, spinning would keep the
// awaited thread from running: then yield, and only after about a millisecond sleep.
constexpr int pause_rounds = 200, yield_rounds = 2000;
inline void wait_a_little(int round) {
  if (round < pause_rounds) {
    __builtin_ia32_pause();
  } else {
    std::this_thread::yield();
  }
}
}  // namespace

struct ThreadPool::State {
  std::atomic<uint64_t> generation{0};
  std::atomic<int> remaining{0};
  std::atomic<int> sleepers{0};
  const void* job = nullptr;
  Call call = nullptr;
  bool stopping = false;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> threads;
};

ThreadPool::ThreadPool(int threads) : threads_(threads), state_(std::make_unique<State>()) {
  CHECK(threads >= 1);
  set_float_mode();
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->generation.fetch_add(1);
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

void ThreadPool::work(int index) {
  set_float_mode();
  uint64_t seen = 0;
  for (;;) {
    for (int i = 0; i < pause_rounds + yield_rounds &&
                    state_->generation.load(std::memory_order_acquire) == seen;
         ++i)
      wait_a_little(i);
    if (state_->generation.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(state_->mutex);
      state_->sleepers.fetch_add(1);
      state_->wake.wait(lock, [&] { return state_->generation.load() != seen; });
      state_->sleepers.fetch_sub(1);
    }
    seen = state_->generation.load(std::memory_order_acquire);
    if (state_->stopping) return;
    state_->call(state_->job, {index, threads_});
    state_->remaining.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run_erased(const void* job, Call call) {
  if (threads_ == 1) {
    call(job, {0, 1});
    return;
  }
  state_->job = job;
  state_->call = call;
  state_->remaining.store(threads_ - 1, std::memory_order_relaxed);
  state_->generation.fetch_add(1);  // sequentially consistent with the sleeper count below
  if (state_->sleepers.load() > 0) {
    std::lock_guard lock(state_->mutex);
    state_->wake.notify_all();
  }
  call(job, {0, threads_});
  for (int round = 0; state_->remaining.load(std::memory_order_acquire) != 0; ++round)
    wait_a_little(round);
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : count;
}

}  // namespace farthing
