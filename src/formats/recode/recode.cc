// Which way leads from one format to another, and the ways into plain floats and within a format.
#include "formats/recode.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/rehearsal.h"
#include "formats/recode/ways.h"

namespace farthing {
namespace {

using recoding::Misfit;
using recoding::TileWay;

// Values that a plain type holds, through f32, which holds those of every format.
std::optional<Misfit> recode_plain(const QuantizedTensor& from, QuantizedTensor& to, Tile rows) {
  const int64_t k = from.k, count = (rows.n1 - rows.n0) * k;
  std::vector<float> values(static_cast<size_t>(count)), stored(values);
  from.format->decode_tile(from, rows, values.data(), k);
  to.format->encode_tile(to, rows, values.data(), k, ScaleRule::half_step);
  to.format->decode_tile(to, rows, stored.data(), k);
  for (int64_t i = 0; i < count; ++i) {
    const float value = values[static_cast<size_t>(i)];
    if (value == stored[static_cast<size_t>(i)]) continue;
    const int64_t column = i % k;
    return Misfit{rows.n0 + i / k, column, column + 1, fmt::format("the value {}", value),
                  fmt::format("a number that {} holds", to.format->name)};
  }
  return std::nullopt;
}

// Null where there is none.
TileWay way_between(const Format& from, const Format& to) {
  if (TileWay way = recoding::way_between_e2m1(from, to)) return way;
  if (TileWay way = recoding::way_between_steps(from, to)) return way;
  return to.plain ? recode_plain : nullptr;
}

bool has_scale_plane(const QuantizedTensor& q) {
  const auto planes = q.format->planes(q.n, q.k, DType::f16);
  return std::any_of(planes.begin(), planes.end(), [](const PlaneSpec& plane) {
    return plane.name == "scales" && is_scale_dtype(plane.dtype);
  });
}

Error misfit_error(const QuantizedTensor& from, const Format& to, const Misfit& misfit) {
  return {.what = "a weight cannot be expressed in another format without a rounding",
          .where = fmt::format("a weight {} in {}, row {}, inputs {} to {}",
                               Shape{from.n, from.k}.text(), from.format->name, misfit.row,
                               misfit.begin, misfit.end - 1),
          .got = misfit.got,
          .wanted = misfit.wanted,
          .remedy = fmt::format("`farthing quantize --format {}` rounds, and says what that costs",
                                to.name)};
}

Error no_way_error(const QuantizedTensor& from, const Format& to) {
  const bool blocks = from.k % to.block != 0;
  std::string held;
  for (const Format& format : all_formats())
    if (&format != from.format && may_recode(*from.format, format, from.k))
      held += (held.empty() ? "" : ", ") + std::string(format.name);
  return {
      .what = "a weight cannot be expressed in another format without a rounding",
      .where = fmt::format("a weight {} in {}", Shape{from.n, from.k}.text(), from.format->name),
      .got = blocks ? fmt::format("{} has blocks of {} inputs", to.name, to.block)
                    : fmt::format("{}, whose values are not of that form", to.name),
      .wanted = held.empty() ? "" : "one of " + held,
      .remedy =
          fmt::format("`farthing quantize --format {}` rounds, and says what that costs", to.name)};
}

}  // namespace

bool may_recode(const Format& from, const Format& to, int64_t k) {
  return &from == &to || (k % to.block == 0 && way_between(from, to) != nullptr);
}

Result<QuantizedTensor> recode(const QuantizedTensor& from, const Format& to, ThreadPool& pool,
                               std::optional<DType> scale_dtype) {
  const DType of_scales = scale_dtype                        ? *scale_dtype
                          : is_scale_dtype(from.scale_dtype) ? from.scale_dtype
                                                             : to.scale_dtype;
  if (from.format == &to && (of_scales == from.scale_dtype || !has_scale_plane(from))) return from;
  const TileWay way = from.k % to.block == 0 ? way_between(*from.format, to) : nullptr;
  if (way == nullptr) return fail(no_way_error(from, to));
  QuantizedTensor out = QuantizedTensor::allocate(to, from.n, from.k, to.scale_dtype);
  if (has_scale_plane(out)) out = QuantizedTensor::allocate(to, from.n, from.k, of_scales);
  if (rehearsing()) return out;
  std::vector<std::optional<Misfit>> misfits(static_cast<size_t>(pool.size()));
  pool.run([&](Part part) {
    constexpr int64_t tile = recoding::rows_of_call;
    std::optional<Misfit>& misfit = misfits[static_cast<size_t>(part.index)];
    const auto rows = part.range(from.n, tile);
    for (int64_t n = rows.begin; n < rows.end && !misfit; n += tile)
      misfit = way(from, out, {n, std::min(n + tile, rows.end), 0, from.k});
  });
  for (const auto& misfit : misfits)
    if (misfit) return fail(misfit_error(from, to, *misfit));
  return out;
}

Result<QuantizedTensor> recode(const QuantizedTensor& from, const Format& to,
                               std::optional<DType> scale_dtype) {
  ThreadPool alone(1);
  return recode(from, to, alone, scale_dtype);
}

}  // namespace farthing
