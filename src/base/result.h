// Result<T>: a value, or an error that says what happened, where, what was found, what was wanted
// and what to do.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace farthing {

// What the outside world caused: bad files, full disks, wrong flags. Our own bugs are CHECKs
// (base/check.h).
struct Error {
  std::string what;    // "tensor data reaches beyond the end of the file"
  std::string where;   // "model.safetensors, tensor model.norm.weight"
  std::string got;     // "bytes 0..2304 of 2000"
  std::string wanted;  // "an end of at most 2000"
  std::string remedy;  // "download the file again"

  // One paragraph for a person; empty parts are left out. Parts may quote a file: of each, what a
  // terminal would obey is written as \uNNNN, and what lies beyond 4000 bytes is counted.
  std::string text() const;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

namespace detail {
template <class T>
T take(Result<T>& result) {
  return std::move(*result);
}
inline void take(Result<void>&) {}
}  // namespace detail

}  // namespace farthing

// The value of a Result, or return its error from the calling function.
#define TRY(...)                                                                   \
  ({                                                                               \
    auto result_of_try = (__VA_ARGS__);                                            \
    if (!result_of_try) return ::farthing::fail(std::move(result_of_try.error())); \
    ::farthing::detail::take(result_of_try);                                       \
  })
