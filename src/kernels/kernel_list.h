// The idiom of every list of kernels: what one line of an operation's kernels.inc expands to.
//
// A folder kernels/<op>/ holds
//   <op>.h          struct <Op>Functions: pointers to noexcept functions on raw memory, their
//   contract in comments;
//                   using <Op>Kernel = Kernel<<Op>Functions>; <op>_kernels();
//                   choose_<op>_kernel(isa)
//   <op>.inc        the functions, written once over Vec in an anonymous namespace
//   <op>_<isa>.cc   includes vec/<isa>.h and <op>.inc, and defines one symbol: const <Op>Functions
//   <op>_<isa> kernels.inc     one line for each kernel: FARTHING_KERNEL(symbol, isa, level),
//   weakest instruction set first <op>.cc         the table:
//
//     #define FARTHING_KERNEL(symbol, isa, level) extern const NormFunctions symbol;
//     #include "kernels/norm/kernels.inc"
//     #undef FARTHING_KERNEL
//     constexpr NormKernel table[] = {
//     #define FARTHING_KERNEL FARTHING_KERNEL_ROW
//     #include "kernels/norm/kernels.inc"
//     #undef FARTHING_KERNEL
//     };
#pragma once

#include <span>
#include <string_view>

#include "base/check.h"
#include "base/cpu.h"
#include "kernels/level.h"

namespace farthing {

struct KernelInfo {
  std::string_view name;  // the symbol: "norm_avx2"
  Isa isa;
  Level level;
};

// One row of a list of kernels; kernel->rms_norm(...) calls a function of it.
template <class Functions>
struct Kernel : KernelInfo {
  const Functions* functions;
  const Functions* operator->() const { return functions; }
};

// The last of `kernels` whose instruction set is at most `wanted`; lists go from weak to strong.
template <class Functions>
const Kernel<Functions>& strongest_kernel(std::span<const Kernel<Functions>> kernels, Isa wanted) {
  const Kernel<Functions>* best = nullptr;
  for (const Kernel<Functions>& kernel : kernels)
    if (kernel.isa <= wanted) best = &kernel;
  CHECK(best != nullptr);
  return *best;
}

}  // namespace farthing

// A row of the table.
#define FARTHING_KERNEL_ROW(symbol, isa, level) {{#symbol, Isa::isa, Level::level}, &symbol},
