// The instruction sets that this machine has, and which one the program uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing {

// Instruction sets that kernels are written for, weakest first.
enum class Isa {
  portable,  // x86-64 baseline
  avx2,      // AVX2, FMA, F16C; no VNNI
  avx512,    // AVX-512 F, BW, DQ, VL and VNNI
};

std::string_view isa_name(Isa isa);

// Whether this processor and operating system can run `isa`.
bool isa_supported(Isa isa);

// Every set that this machine can run, weakest first.
std::vector<Isa> supported_isas();

// The strongest supported set, or the one that the environment variable FARTHING_FORCE_ISA names.
// Fails on an unknown or unsupported name.
Result<Isa> choose_isa();

// The processor's own name, as reports print it.
std::string cpu_model();

}  // namespace farthing
