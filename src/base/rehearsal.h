// Rehearsal: running a computation for the memory that it asks for, without doing it.
#pragma once

namespace farthing {

// While one lives, jobs that this thread gives to a thread pool are left out, and large memory is
// address space that nobody touches. So whatever takes its memory outside of such jobs takes the
// memory that it would really take (memory_use()), also where this machine has far less. Its
// results are meaningless. They nest.
class Rehearsal {
 public:
  Rehearsal();
  ~Rehearsal();
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;
};

// Whether this thread rehearses: asked by work on large memory that is not a thread pool's job.
bool rehearsing();

}  // namespace farthing
