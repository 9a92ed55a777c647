// Levels from what formats say of their grids and elements.
#include "formats/levels.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace farthing {
namespace {

float small_float_value(const Elements& e, int magnitude) {
  const int exponent = magnitude >> e.mantissa, fraction = magnitude & ((1 << e.mantissa) - 1);
  const auto power = [](int at) { return std::bit_cast<float>((127 + at) << 23); };
  return exponent == 0 ? static_cast<float>(fraction) * power(1 - e.bias - e.mantissa)
                       : static_cast<float>((1 << e.mantissa) + fraction) *
                             power(exponent - e.bias - e.mantissa);
}

std::vector<CodeLevel> levels_of(const Elements& e) {
  std::vector<CodeLevel> out;
  const auto add = [&](float value, int code) {
    out.push_back({value, static_cast<uint8_t>(code)});
  };
  if (e.kind == ElementKind::small_float) {
    for (int magnitude = 0; magnitude < e.levels; ++magnitude) {
      add(small_float_value(e, magnitude), magnitude);
      if (magnitude != 0) add(-small_float_value(e, magnitude), magnitude | 128);
    }
    return out;
  }
  const int count = e.levels != 0 ? e.levels : 1 << e.bits;
  for (int code = 0; code < count; ++code)
    add(e.kind == ElementKind::book ? e.book[static_cast<size_t>(code)]
                                    : static_cast<float>(code - e.middle),
        code);
  return out;
}

}  // namespace

std::vector<CodeLevel> levels_of(const Format& format, ScaleRule rule) {
  std::vector<CodeLevel> out;
  if (format.put_codes == nullptr) return out;
  if (format.elements) {
    out = levels_of(*format.elements);
  } else {
    CHECK(format.grid.has_value());
    const int middle = format.grid->zero_points ? 0 : format.grid->middle();
    for (int code = 0; code < 1 << format.grid->bits; ++code)
      out.push_back({static_cast<float>(code - middle), static_cast<uint8_t>(code)});
  }
  if (format.grid && rule == ScaleRule::narrow) out.erase(out.begin());
  std::stable_sort(out.begin(), out.end(),
                   [](const CodeLevel& a, const CodeLevel& b) { return a.value < b.value; });
  out.erase(std::unique(out.begin(), out.end(),
                        [](const CodeLevel& a, const CodeLevel& b) { return a.value == b.value; }),
            out.end());
  return out;
}

GroupParameters group_parameters_at(const QuantizedTensor& q, int64_t n, int64_t k) {
  const Format& format = *q.format;
  if (format.elements) {
    const ElementScale at = format.elements->scale_at(q, n, k);
    const float second = at.second_unit * at.second;
    const bool zero = format.elements->second == SecondTerm::zero;
    const bool offset = format.elements->second == SecondTerm::offset;
    return {at.unit * at.scale, zero ? second : 0.0f, offset ? second : 0.0f};
  }
  CHECK(format.grid.has_value());
  float scale;
  int32_t zero;
  format.group_parameters(q, n, n + 1, k / format.grid->group_size(q.k), &scale, &zero);
  return {scale, format.grid->zero_points ? static_cast<float>(zero) : 0.0f, 0.0f};
}

int64_t group_length(const QuantizedTensor& q) {
  const Format& format = *q.format;
  const int64_t size = format.elements ? format.elements->group : format.grid->group;
  if (size == 0 || size > q.k) return q.k;
  return format.scale_block.flat ? std::gcd(size, q.k) : size;
}

}  // namespace farthing
