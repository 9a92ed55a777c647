// Counting against the bounds of narrow float types.
#include "formats/ranges.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace farthing {
namespace {

constexpr float power_of_two(int exponent) {
  float out = 1;
  for (; exponent > 0; --exponent) out *= 2;
  for (; exponent < 0; ++exponent) out /= 2;
  return out;
}

// `exponent`: of the largest value; `mantissa_bits` behind the point; `lowest`: exponent of the
// smallest normal value; `largest`: the largest value's significand, in units of its last bit.
constexpr NarrowFloat narrow_float(std::string_view name, int exponent, int mantissa_bits,
                                   int lowest, int significand, bool infinity) {
  const float step = power_of_two(exponent - mantissa_bits);
  const float smallest = power_of_two(lowest - mantissa_bits);
  const float largest = static_cast<float>(significand) * step;
  float beyond =
      largest + step / 2;  // a tie goes to the even neighbour: beyond, unless the largest is even
  if (significand % 2 == 0) beyond = std::bit_cast<float>(std::bit_cast<uint32_t>(beyond) + 1);
  return {.name = name,
          .largest = largest,
          .smallest_normal = power_of_two(lowest),
          .smallest = smallest,
          .infinity = infinity,
          .beyond_from = beyond,
          .subnormal_below = power_of_two(lowest) - smallest / 2,
          .zero_up_to = smallest / 2};
}

constexpr std::array<NarrowFloat, narrow_float_count> types = {
    narrow_float("f16", 15, 10, -14, 2047, true),   // IEEE 754 binary16
    narrow_float("bf16", 127, 7, -126, 255, true),  // f32 without its low 16 bits
    narrow_float("fp8_e4m3", 8, 3, -6, 14,
                 false),  // OCP FP8: S.1111.111 is NaN, so the largest is 448
    narrow_float("fp8_e5m2", 15, 2, -14, 7, true),  // OCP FP8: as IEEE
    narrow_float("fp4_e2m1", 2, 1, 0, 3, false),    // OCP MX: every code is a finite value
};

constexpr int64_t piece_values = 65536;

struct Piece {
  ValueRanges counts;
  double sum = 0, second = 0, fourth = 0;
};

constexpr uint32_t magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffffu; }
constexpr uint32_t infinity_bits = 0x7f800000u;

int64_t count_if_below(std::span<const float> values, uint32_t bound) {
  int64_t count = 0;
  for (const float x : values) count += magnitude(x) < bound;
  return count;
}

// Magnitudes are ordered as their bits are.
void count_piece(std::span<const float> values, Piece& piece) {
  ValueRanges& out = piece.counts;
  out.values = static_cast<int64_t>(values.size());
  out.zeros = count_if_below(values, 1);
  const int64_t finite = count_if_below(values, infinity_bits);
  out.nonfinite = out.values - finite;
  for (size_t t = 0; t < types.size(); ++t) {
    RangeCounts& counts = out.narrow[t];
    const int64_t to_zero = count_if_below(values, magnitude(types[t].zero_up_to) + 1);
    counts.vanished = to_zero - out.zeros;
    counts.subnormal = count_if_below(values, magnitude(types[t].subnormal_below)) - to_zero;
    const int64_t beyond = finite - count_if_below(values, magnitude(types[t].beyond_from));
    (types[t].infinity ? counts.overflowed : counts.clipped) = beyond;
  }
  bool first = true;
  for (const float x : values) {
    if (magnitude(x) >= infinity_bits) continue;
    out.low = first ? x : std::min(out.low, x);
    out.high = first ? x : std::max(out.high, x);
    first = false;
    piece.sum += x;
  }
}

template <class Work>
void for_each_piece(ThreadPool& pool, std::span<const float> values, std::vector<Piece>& pieces,
                    const Work& work) {
  pool.run([&](Part part) {
    const auto mine = part.range(static_cast<int64_t>(pieces.size()));
    for (int64_t i = mine.begin; i < mine.end; ++i) {
      const auto begin = static_cast<size_t>(i * piece_values);
      work(values.subspan(begin, std::min<size_t>(piece_values, values.size() - begin)),
           pieces[static_cast<size_t>(i)]);
    }
  });
}

}  // namespace

std::span<const NarrowFloat, narrow_float_count> narrow_floats() { return types; }

RangeCounts& RangeCounts::operator+=(const RangeCounts& other) {
  overflowed += other.overflowed;
  clipped += other.clipped;
  subnormal += other.subnormal;
  vanished += other.vanished;
  return *this;
}

ValueRanges count_ranges(ThreadPool& pool, std::span<const float> values) {
  std::vector<Piece> pieces((values.size() + piece_values - 1) / piece_values);
  for_each_piece(pool, values, pieces,
                 [](std::span<const float> of, Piece& piece) { count_piece(of, piece); });
  ValueRanges out;
  double sum = 0;
  int64_t finite = 0;
  for (const Piece& piece : pieces) {
    const ValueRanges& counts = piece.counts;
    const int64_t finite_here = counts.values - counts.nonfinite;
    if (finite_here > 0) {
      out.low = finite == 0 ? counts.low : std::min(out.low, counts.low);
      out.high = finite == 0 ? counts.high : std::max(out.high, counts.high);
    }
    finite += finite_here;
    out.values += counts.values;
    out.nonfinite += counts.nonfinite;
    out.zeros += counts.zeros;
    for (size_t t = 0; t < types.size(); ++t) out.narrow[t] += counts.narrow[t];
    sum += piece.sum;
  }
  if (finite == 0) return out;
  out.mean = sum / static_cast<double>(finite);
  for_each_piece(pool, values, pieces, [&](std::span<const float> of, Piece& piece) {
    for (const float x : of) {
      if (magnitude(x) >= infinity_bits) continue;
      const double square = (x - out.mean) * (x - out.mean);
      piece.second += square;
      piece.fourth += square * square;
    }
  });
  double second = 0, fourth = 0;
  for (const Piece& piece : pieces) {
    second += piece.second;
    fourth += piece.fourth;
  }
  out.variance = second / static_cast<double>(finite);
  if (out.low < out.high && second > 0)
    out.kurtosis = fourth / static_cast<double>(finite) / (out.variance * out.variance);
  return out;
}

}  // namespace farthing
