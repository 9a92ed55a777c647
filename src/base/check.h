// CHECK for our own bugs: prints the condition and the place, then aborts. DCHECK only in debug
// builds.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace farthing::detail {
[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "farthing: internal error: CHECK(%s) failed at %s:%d\n", condition, file,
               line);
  std::abort();
}
}  // namespace farthing::detail

#define CHECK(condition)              \
  (__builtin_expect(!!(condition), 1) \
       ? (void)0                      \
       : ::farthing::detail::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define DCHECK(condition) ((void)0)
#else
#define DCHECK(condition) CHECK(condition)
#endif
