// ThreadPool: a ticket, a job's generation and its next part, starts a job and deals out its parts;
// a countdown ends it. Whoever is awake takes the next part, so a job never waits for a thread that
// the system does not run.
#include "base/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/float_mode.h"
#include "base/rehearsal.h"

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
  static constexpr int part_bits = 16;
  static constexpr uint64_t part_mask = (uint64_t{1} << part_bits) - 1;

  std::atomic<uint64_t> ticket{part_mask};  // generation 0, which has no part left
  std::atomic<int> remaining{0};            // parts that have not ended
  std::atomic<int> sleepers{0};
  // Of the ticket's generation: read only by who has claimed a part of it, which keeps it alive.
  const void* job = nullptr;
  Call call = nullptr;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> threads;

  uint64_t generation() const { return ticket.load(std::memory_order_acquire) >> part_bits; }
  // A new generation whose next part is `part`. Sequentially consistent with the sleeper count.
  void start(int part) {
    const uint64_t next = (ticket.load(std::memory_order_relaxed) >> part_bits) + 1;
    ticket.store(next << part_bits | static_cast<uint64_t>(part));
  }
  // Runs parts that nobody has claimed, until there are none.
  void run_parts(int count) {
    uint64_t now = ticket.load(std::memory_order_acquire);
    while ((now & part_mask) < static_cast<uint64_t>(count)) {
      if (!ticket.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) continue;
      call(job, {static_cast<int>(now & part_mask), count});
      remaining.fetch_sub(1, std::memory_order_release);
      now = ticket.load(std::memory_order_acquire);
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads), state_(std::make_unique<State>()) {
  CHECK(threads >= 1 && threads < static_cast<int>(State::part_mask));
  set_float_mode();
  for (int i = 1; i < threads; ++i) state_->threads.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->start(threads_);
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

void ThreadPool::work() {
  set_float_mode();
  uint64_t seen = 0;
  for (;;) {
    for (int i = 0; i < pause_rounds + yield_rounds && state_->generation() == seen; ++i)
      wait_a_little(i);
    if (state_->generation() == seen) {
      std::unique_lock lock(state_->mutex);
      state_->sleepers.fetch_add(1);
      state_->wake.wait(lock, [&] { return state_->ticket.load() >> State::part_bits != seen; });
      state_->sleepers.fetch_sub(1);
    }
    seen = state_->generation();
    if (state_->stopping) return;
    state_->run_parts(threads_);
  }
}

void ThreadPool::run_erased(const void* job, Call call) {
  if (rehearsing()) return;
  if (threads_ == 1) {
    call(job, {0, 1});
    return;
  }
  state_->job = job;
  state_->call = call;
  state_->remaining.store(threads_, std::memory_order_relaxed);
  state_->start(0);
  if (state_->sleepers.load() > 0) {
    std::lock_guard lock(state_->mutex);
    state_->wake.notify_all();
  }
  state_->run_parts(threads_);
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
