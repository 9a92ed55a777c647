// on_threads: a job whose caller may have threads for it or not.
#pragma once

#include "base/thread_pool.h"

namespace farthing {

// Runs `job` once for each part, as ThreadPool::run does, on the threads of `pool`; where there is
// none, as one part by the caller. Nothing in a rehearsal.
template <class Job>
void on_threads(ThreadPool* pool, const Job& job) {
  if (pool != nullptr) return pool->run(job);
  ThreadPool(1).run(job);
}

}  // namespace farthing
