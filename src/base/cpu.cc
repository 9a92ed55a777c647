// Probe of the processor's instruction sets.
#include "base/cpu.h"

#include <cpuid.h>

#include <cstdlib>
#include <fstream>

namespace farthing {
namespace {
constexpr Isa all_isas[] = {Isa::portable, Isa::avx2, Isa::avx512};

// clang 14's __builtin_cpu_supports does not know f16c.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return "portable";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

bool isa_supported(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case Isa::avx512:
      return isa_supported(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  }
  return false;
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> out;
  for (Isa isa : all_isas)
    if (isa_supported(isa)) out.push_back(isa);
  return out;
}

Result<Isa> choose_isa() {
  const char* forced = std::getenv("FARTHING_FORCE_ISA");
  if (forced == nullptr || *forced == '\0') return supported_isas().back();
  std::string runnable;
  for (Isa isa : supported_isas())
    runnable += (runnable.empty() ? "" : ", ") + std::string(isa_name(isa));
  for (Isa isa : all_isas) {
    if (isa_name(isa) != forced) continue;
    if (isa_supported(isa)) return isa;
    return fail({.what = "this machine cannot run the forced instruction set",
                 .where = "environment variable FARTHING_FORCE_ISA",
                 .got = forced,
                 .wanted = "one of " + runnable,
                 .remedy = "unset FARTHING_FORCE_ISA or choose a set that the processor has"});
  }
  return fail({.what = "unknown instruction set",
               .where = "environment variable FARTHING_FORCE_ISA",
               .got = forced,
               .wanted = "one of " + runnable,
               .remedy = "unset FARTHING_FORCE_ISA or correct the name"});
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const auto at = line.find(": ");
    if (at != std::string::npos) return line.substr(at + 2);
  }
  return "unknown processor";
}

}  // namespace farthing
