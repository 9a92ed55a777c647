// Counter-based random numbers: a function of (seed, stream, index), never of shared state.
#pragma once

#include <cstdint>

namespace farthing {

// 64 well-mixed bits. The finalizer is SplitMix64's (Steele, Lea, Flood 2014), applied once for
// each word.
inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
  const auto mix = [](uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  return mix(mix(mix(seed) ^ stream) ^ index);
}

// Uniform in [0, 1), a multiple of 2^-24.
inline float random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  return static_cast<float>(random_bits(seed, stream, index) >> 40) * 0x1p-24f;
}

// Mean 0, variance 1, made without libm (which picks FMA variants by itself): the centred sum of
// twelve 16-bit uniforms. Range +-6; tails are lighter than a true normal's beyond 4.
inline float random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
  int64_t sum = 0;
  for (uint64_t part = 0; part < 3; ++part) {
    const uint64_t bits = random_bits(seed, stream, index * 3 + part);
    for (int i = 0; i < 4; ++i) sum += static_cast<int64_t>(bits >> (16 * i) & 0xffff);
  }
  return static_cast<float>(static_cast<double>(2 * sum - 12 * 65535) / (2 * 65536.0));
}

}  // namespace farthing
