// A fixed set of threads that run the parts of one job at a time: static partition, parts taken by
// who is awake; spin briefly, yield, then sleep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace farthing {

// Which part of a job this call is: `index` of `count`; count = number of threads.
struct Part {
  int index;
  int count;
  // The half-open range of `items` things that is this part's, in units of `grain` things.
  struct Range {
    int64_t begin, end;
  };
  Range range(int64_t items, int64_t grain = 1) const {
    const int64_t grains = (items + grain - 1) / grain;
    const int64_t begin = grains * index / count * grain,
                  end = grains * (index + 1) / count * grain;
    return {begin < items ? begin : items, end < items ? end : items};
  }
};

class ThreadPool {
 public:
  // `threads` >= 1 counts the caller. Any of them may run any part, and one several of a job.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  // Runs `job` once for each part and returns when all are done. One caller at a time; not
  // reentrant. Allocates nothing as long as `job` captures little (a reference or two).
  template <class Job>
  void run(const Job& job) {
    run_erased(&job,
               [](const void* opaque, Part part) { (*static_cast<const Job*>(opaque))(part); });
  }

 private:
  using Call = void (*)(const void*, Part);
  void run_erased(const void* job, Call call);
  void work();

  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

// The number of processors that this process may use.
int available_processors();

}  // namespace farthing
