// recode between formats whose values are whole steps of a group's scale: scale * (code - zero).
// Blocks with a minimum, d * code + m, are among them where -m is a whole number of steps: then
// both products are exact in f32 (at most 16 bits), and so is their sum.
#include <fmt/format.h>

#include <algorithm>

#include "formats/gguf/block32.h"
#include "formats/levels.h"
#include "formats/packed_codes.h"
#include "formats/recode/nibbles.h"
#include "formats/recode/ways.h"
#include "formats/scale_plane.h"

namespace farthing::recoding {
namespace {

using gguf::Block32;
using gguf::BlockKind;

// How a format holds steps.
struct Steps {
  IntegerGrid grid;
  bool minimum = false;     // blocks [d][m]
  int64_t block_bytes = 0;  // of a target in blocks
};

bool has_minimum(const Format& format) {
  return format.gguf_type >= 0 && !format.grid && format.elements &&
         format.elements->second == SecondTerm::offset && !format.elements->units &&
         format.block == 32;
}

std::optional<Steps> steps_of(const Format& format) {
  if (format.grid) return Steps{*format.grid};
  if (has_minimum(format))
    return Steps{{std::countr_zero(static_cast<unsigned>(format.elements->levels)), 32, true},
                 true};
  return std::nullopt;
}

bool is_plane_of_codes(const Format& format) {
  return format.grid && format.gguf_type < 0 && format.scale_block.rows == 1;
}
// q4_0 and its like; the grid of gguf_mxfp4 lacks some of its whole numbers.
bool is_block(const Format& format) {
  return has_minimum(format) || (format.grid && format.block == 32 && format.gguf_type >= 0 &&
                                 format.scale_dtype == DType::f16);
}

// Scale and zero of a group of a row.
struct Group {
  float scale;
  int zero;
};

// The parameters of `rows`, [group][row]; false where a minimum is no whole number of steps.
bool read_groups(const QuantizedTensor& q, const Steps& steps, Tile rows,
                 std::vector<Group>& groups) {
  const int64_t count = rows.n1 - rows.n0;
  float scales[rows_of_call];
  int32_t zeros[rows_of_call];
  for (int64_t g = 0; g < steps.grid.groups(q.k); ++g) {
    Group* to = groups.data() + g * count;
    if (!steps.minimum) {
      q.format->group_parameters(q, rows.n0, rows.n1, g, scales, zeros);
      for (int64_t i = 0; i < count; ++i) to[i] = {scales[i], zeros[i]};
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      const GroupParameters at = group_parameters_at(q, rows.n0 + i, g * steps.grid.group);
      const float zero = at.scale == 0 ? 0.0f : round_even(-at.offset / at.scale);
      to[i] = {at.scale, std::fabs(zero) < 0x1p16f ? static_cast<int>(zero) : 0};
      if (at.scale * static_cast<float>(to[i].zero) != -at.offset) return false;
    }
  }
  return true;
}

using PutZero = void (*)(uint8_t* row, int64_t g, int zero);
constexpr PutZero put_zero[] = {nullptr,
                                nullptr,
                                PackedCodes<2>::set,
                                PackedCodes<3>::set,
                                PackedCodes<4>::set,
                                PackedCodes<5>::set,
                                PackedCodes<6>::set,
                                PackedCodes<7>::set,
                                PackedCodes<8>::set};

// Stores a group's scale and zero; false where that would round one.
bool put_group(QuantizedTensor& q, const Steps& steps, int64_t n, int64_t g, Group group) {
  if (steps.block_bytes == 0) {
    if (store_scale(q.planes[1], n * q.planes[1].shape()[1] + g, group.scale) != group.scale)
      return false;
    if (!steps.grid.zero_points) return true;
    if (group.zero < 0 || group.zero >= 1 << steps.grid.bits) return false;
    put_zero[steps.grid.bits](q.planes[2].as<uint8_t>() + n * q.planes[2].shape()[1], g,
                              group.zero);
    return true;
  }
  uint8_t* block = q.planes[0].as<uint8_t>() + n * q.planes[0].shape()[1] + g * steps.block_bytes;
  if (gguf::put_half(block, group.scale) != group.scale) return false;
  if (!steps.minimum) return true;
  const float minimum = -(group.scale * static_cast<float>(group.zero));
  return gguf::put_half(block + 2, minimum) == minimum;
}

// Adds `shift` to codes; the first that leaves [0, levels), or `count`.
int64_t shift_codes(uint8_t* codes, int64_t count, int shift, int levels) {
  const auto step = static_cast<uint8_t>(shift);  // modulo 256
  uint8_t low = 255, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, codes[i]);
    high = std::max(high, codes[i]);
    codes[i] = static_cast<uint8_t>(codes[i] + step);
  }
  if (low + shift >= 0 && high + shift < levels) return count;
  for (int64_t i = 0; i < count; ++i) {
    const int code = static_cast<uint8_t>(codes[i] - step) + shift;
    if (code < 0 || code >= levels) return i;
  }
  return count;
}

struct Recoding {
  const QuantizedTensor& from;
  QuantizedTensor& to;
  Tile rows;
  Steps source = *steps_of(*from.format), target = *steps_of(*to.format);
  std::vector<Group> groups{};
  std::vector<uint8_t> codes{};

  std::optional<Misfit> run() {
    const int64_t count = rows.n1 - rows.n0, k = from.k;
    groups.resize(static_cast<size_t>(source.grid.groups(k) * count));
    codes.resize(static_cast<size_t>(count * k));
    if (!read_groups(from, source, rows, groups))
      return Misfit{rows.n0, 0, k, "a minimum that is no whole number of steps of its scale",
                    fmt::format("whole zero points, as {} has them", to.format->name)};
    (source.minimum ? from.format->elements->codes : from.format->codes_tile)(from, rows,
                                                                              codes.data(), k);
    if (is_block(*to.format)) target.block_bytes = to.planes[0].shape()[1] / (k / 32);
    const int64_t size = target.grid.group_size(k), part = source.grid.group_size(k);
    for (int64_t g = 0; g < target.grid.groups(k); ++g) {
      const int64_t of_source = g * size / part;
      const bool one = std::min((g + 1) * size, k) <= (of_source + 1) * part;
      for (int64_t n = rows.n0; n < rows.n1; ++n) {
        const Group group = groups[static_cast<size_t>(of_source * count + n - rows.n0)];
        const bool as_it_is =
            one && zero_for(group) == group.zero && source.grid.bits <= target.grid.bits;
        if (as_it_is && put_group(to, target, n, g, group)) continue;
        if (auto misfit = put(n, g)) return misfit;
      }
    }
    to.format->put_codes(to, rows.n0, rows.n1, codes.data(), k);
    return std::nullopt;
  }

  // Of the target's group that begins with a group of the source.
  int zero_for(Group group) const {
    return target.grid.zero_points && source.grid.zero_points ? group.zero : target.grid.middle();
  }

  // Group `g` of the target; the source's groups that it covers must have one scale.
  std::optional<Misfit> put(int64_t n, int64_t g) {
    const int64_t count = rows.n1 - rows.n0, k = from.k, row = n - rows.n0;
    const int64_t size = target.grid.group_size(k), part = source.grid.group_size(k);
    const int64_t begin = g * size, end = std::min(begin + size, k);
    const auto group_at = [&](int64_t column) { return groups[(column / part) * count + row]; };
    const Group first = group_at(begin);
    const int zero = zero_for(first);
    const auto misfit = [&](int64_t at, int64_t to_column, std::string got, std::string wanted) {
      return Misfit{n, at, to_column, std::move(got),
                    fmt::format("{} that {} holds", wanted, to.format->name)};
    };
    if (!put_group(to, target, n, g, {first.scale, zero}))
      return target.grid.zero_points
                 ? misfit(begin, end,
                          fmt::format("the scale {} and the zero {}", first.scale, zero),
                          target.minimum ? "a scale and a minimum, -scale * zero,"
                                         : "a scale and a zero")
                 : misfit(begin, end, fmt::format("the scale {}", first.scale), "a scale");
    for (int64_t at = begin; at < end;) {
      const int64_t next = std::min((at / part + 1) * part, end);
      const Group group = group_at(at);
      if (group.scale != first.scale)
        return misfit(begin, end, fmt::format("the scales {} and {}", first.scale, group.scale),
                      "one scale");
      const int shift = zero - group.zero;
      if (shift != 0 || source.grid.bits > target.grid.bits) {
        uint8_t* part_codes = codes.data() + row * k + at;
        const int64_t beyond = shift_codes(part_codes, next - at, shift, 1 << target.grid.bits);
        if (beyond < next - at) {
          const int code = static_cast<uint8_t>(part_codes[beyond] - shift) - group.zero;
          return misfit(at + beyond, at + beyond + 1, fmt::format("{} steps of the scale", code),
                        "steps");
        }
      }
      at = next;
    }
    return std::nullopt;
  }
};

std::optional<Misfit> recode_steps(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  if (recode_nibbles(from, to, rows)) return std::nullopt;
  return Recoding{from, to, rows}.run();
}

}  // namespace

TileWay way_between_steps(const Format& from, const Format& to) {
  const bool held = to.put_codes != nullptr && (is_plane_of_codes(to) || is_block(to));
  return steps_of(from) && held ? recode_steps : nullptr;
}

}  // namespace farthing::recoding
