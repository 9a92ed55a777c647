# Language level, warnings and the flags that the arithmetic contract needs.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_OPTIMIZE_DEPENDENCIES ON)  # a static library compiles without waiting for the ones it links
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -fvisibility=hidden)
# The order and the rounding of every operation are written in the source: no contraction into FMA,
# no fast-math. See docs/numerics.md.
add_compile_options(-ffp-contract=off -fno-fast-math)

find_program(CCACHE ccache)
if(CCACHE)
  # Paths below the base folder are hashed as relative ones: a copy of the tree hits the same cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

option(FARTHING_SANITIZE "Address and undefined-behaviour sanitizers" OFF)
option(FARTHING_FUZZ "The libFuzzer targets instead of the tests (clang only)" OFF)
if(FARTHING_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(FARTHING_FUZZ)
  # Coverage for the libraries; no main. Kernels of matrix products would take twice as long to optimize further.
  add_compile_options(-fsanitize=fuzzer-no-link -O1)
endif()

# Flags of an instruction set, by the file name's suffix: x_portable.cc, x_avx2.cc,
# x_avx512.cc.
# Kernels never throw: without exceptions no weak symbol of the C++ runtime gets into their objects.
# -Wno-maybe-uninitialized: g++ 12 warns inside its own AVX-512 intrinsics (GCC bug 105593).
set(FARTHING_FLAGS_portable -fno-exceptions)
set(FARTHING_FLAGS_avx2 -mavx2 -mfma -mf16c -fno-exceptions)
set(FARTHING_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
    -mprefer-vector-width=512 $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -fno-exceptions)
# Behaviour that is undefined would need a check at each lane of each inlined operation: minutes for one file. The
# address sanitizer stays.
if(FARTHING_SANITIZE)
  foreach(isa portable avx2 avx512)
    list(APPEND FARTHING_FLAGS_${isa} -fno-sanitize=undefined)
  endforeach()
endif()
function(farthing_isa_flags sources)
  foreach(file IN LISTS sources)
    foreach(isa portable avx2 avx512)
      if(file MATCHES "_${isa}\\.cc$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${FARTHING_FLAGS_${isa}}")
      endif()
    endforeach()
  endforeach()
endfunction()
