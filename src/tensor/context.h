// Context: what every operator is given first. The thread pool, the instruction set, and scratch
// memory.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace farthing {

// Scratch memory in stack order: take() from the top, and a Mark gives back all that was taken
// after it. It grows by blocks; when all of it has been given back, several blocks become one of
// the most bytes that were ever in use. So after the first step of a loop nothing is allocated any
// more, and steps of many different sizes take no more than the largest of them.
class Workspace {
 public:
  // 64-byte aligned, not initialised.
  template <class T>
  T* take(int64_t count) {
    return reinterpret_cast<T*>(take_bytes(count * static_cast<int64_t>(sizeof(T))));
  }
  template <class T>
  View<T, 2> take_rows(int64_t rows, int64_t columns) {
    return {take<T>(rows * columns), rows, columns, columns};
  }

  class Mark {
   public:
    explicit Mark(Workspace& workspace)
        : workspace_(workspace),
          block_(workspace.block_),
          used_(workspace.used_),
          in_use_(workspace.in_use_) {}
    ~Mark() {
      workspace_.block_ = block_;
      workspace_.used_ = used_;
      workspace_.in_use_ = in_use_;
      if (in_use_ == 0 && workspace_.blocks_.size() > 1) workspace_.join_blocks();
    }
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    Workspace& workspace_;
    size_t block_;
    int64_t used_, in_use_;
  };

  int64_t bytes() const;  // allocated

 private:
  std::byte* take_bytes(int64_t bytes);
  void join_blocks();
  std::vector<std::shared_ptr<Storage>> blocks_;
  size_t block_ = 0;  // the block that is being filled
  int64_t used_ = 0;  // bytes used of it
  int64_t in_use_ = 0, most_in_use_ = 0;
};

class Tape;   // autograd/tape.h
class Probe;  // autograd/probe.h

struct Context {
  ThreadPool& pool;
  Isa isa;
  Workspace& workspace;
  Tape* tape = nullptr;    // where operators of autograd/ record, while a model is trained
  Probe* probe = nullptr;  // what they show their outputs to, while a model is looked into
};

// Owns what a Context refers to.
class ContextOwner {
 public:
  ContextOwner(int threads, Isa isa) : pool_(threads), context_{pool_, isa, workspace_} {}
  Context& get() { return context_; }

 private:
  ThreadPool pool_;
  Workspace workspace_;
  Context context_;
};

}  // namespace farthing
