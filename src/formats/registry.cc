// The run-time table of formats, and the names of schemes.
#include <fmt/format.h>

#include <array>

#include "formats/act_order.h"
#include "formats/bitsandbytes/bnb4.h"
#include "formats/float_plane.h"
#include "formats/float_zero.h"
#include "formats/gguf/block32.h"
#include "formats/integer_group.h"
#include "formats/small_floats/micro_scaled.h"
#include "formats/small_floats/nvfp4.h"
#include "formats/small_floats/scaled_float.h"
#include "formats/small_floats/small_float.h"
#include "formats/spqr.h"

namespace farthing {

// The four kinds of one integer grid, and two of them.
#define FARTHING_INTEGER_FORMATS(name, bits, group)                                               \
  FARTHING_FORMAT_OF_PARTS(name, IntegerGroup<bits, group>::format())                             \
  FARTHING_FORMAT_OF_PARTS(name##_narrow, IntegerGroup<bits, group, GridKind::narrow>::format())  \
  FARTHING_FORMAT_OF_PARTS(name##_signed, IntegerGroup<bits, group, GridKind::signed_>::format()) \
  FARTHING_FORMAT_OF_PARTS(name##_asym, IntegerGroup<bits, group, GridKind::asymmetric>::format())
#define FARTHING_INTEGER_PAIR(name, bits, group)                      \
  FARTHING_FORMAT_OF_PARTS(name, IntegerGroup<bits, group>::format()) \
  FARTHING_FORMAT_OF_PARTS(name##_asym, IntegerGroup<bits, group, GridKind::asymmetric>::format())

#define FARTHING_FORMAT(name) Format name##_format();
#define FARTHING_FORMAT_OF_PARTS(name, ...)
#include "formats/registry.inc"
#undef FARTHING_FORMAT
#undef FARTHING_FORMAT_OF_PARTS

namespace {

std::string joined(std::string list, std::string_view name) {
  return list + (list.empty() ? "" : ", ") + std::string(name);
}

// What to train and serve instead.
std::string batch_invariant_scheme(const Scheme& scheme) {
  return fmt::format("{}@{}", scheme.weights->name,
                     activations_name(has_outliers(scheme.activations) ? Activations::int8_outliers
                                                                       : Activations::int8_token));
}

Format named(std::string_view name, Format format) {
  format.name = name;
  return format;
}

const auto& table() {
#define FARTHING_FORMAT(name) named(#name, name##_format()),
#define FARTHING_FORMAT_OF_PARTS(name, ...) named(#name, __VA_ARGS__),
  static const std::array formats = {
#include "formats/registry.inc"
  };
#undef FARTHING_FORMAT
#undef FARTHING_FORMAT_OF_PARTS
  return formats;
}

}  // namespace

EncodeReport& EncodeReport::operator+=(const EncodeReport& other) {
  nonfinite += other.nonfinite;
  overflowed_scales += other.overflowed_scales;
  flushed_groups += other.flushed_groups;
  zero_groups += other.zero_groups;
  clipped += other.clipped;
  return *this;
}

std::span<const Format> all_formats() { return table(); }

const Format* find_format(std::string_view name) {
  for (const Format& format : table())
    if (format.name == name) return &format;
  return nullptr;
}

const Format* find_format_of_gguf_type(int type) {
  for (const Format& format : table())
    if (type >= 0 && format.gguf_type == type) return &format;
  return nullptr;
}

std::string format_names() {
  std::string out;
  for (const Format& format : table()) out = joined(std::move(out), format.name);
  return out;
}

const Format& format_that_holds(const Format& wanted, int64_t k) {
  const Format* format = &wanted;
  while (k % format->block != 0) {
    format = find_format(format->fallback);
    CHECK(format != nullptr);
  }
  return *format;
}

bool is_plane(const Tensor& tensor, const PlaneSpec& plane) {
  return tensor.dtype() == plane.dtype &&
         (plane.counted ? tensor.shape().rank() == 1 : tensor.shape() == plane.shape);
}

double bits_per_weight(const Format& format, int64_t n, int64_t k) {
  int64_t bytes = 0;
  for (const PlaneSpec& plane : format.planes(n, k, format.scale_dtype))
    bytes += plane.shape.elements() * dtype_bytes(plane.dtype);
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(n * k);
}

std::string Scheme::name() const {
  if (activations == weights->default_activations) return std::string(weights->name);
  return fmt::format("{}@{}", weights->name, activations_name(activations));
}

Result<Scheme> parse_scheme(std::string_view text) {
  const auto at = text.find('@');
  const std::string_view name = text.substr(0, at);
  Scheme scheme;
  scheme.weights = find_format(name);
  if (scheme.weights == nullptr) {
    return fail({.what = "unknown number format",
                 .where = fmt::format("scheme \"{}\"", text),
                 .got = std::string(name),
                 .wanted = "one of " + format_names(),
                 .remedy = "`farthing formats` lists them"});
  }
  scheme.activations = scheme.weights->default_activations;
  if (at == std::string_view::npos) return scheme;
  const auto activations = find_activations(text.substr(at + 1));
  if (!activations) {
    return fail({.what = "unknown activation format",
                 .where = fmt::format("scheme \"{}\"", text),
                 .got = std::string(text.substr(at + 1)),
                 .wanted = "one of " + activations_names(),
                 .remedy = "write WEIGHTS@ACTIVATIONS, for example int4_g128@int8_block32"});
  }
  scheme.activations = *activations;
  return scheme;
}

Scheme scheme_that_holds(const Scheme& wanted, int64_t k) {
  const Format& format = format_that_holds(*wanted.weights, k);
  const bool by_default = wanted.activations == wanted.weights->default_activations;
  return {&format, by_default ? format.default_activations : wanted.activations};
}

Result<> check_batch_invariant(const Scheme& scheme, std::string where) {
  if (batch_invariant(scheme.activations)) return {};
  return fail(
      {.what = "the scheme's results depend on the batch, so it is neither trained nor served",
       .where = std::move(where),
       .got = fmt::format("{}: {} has one scale {}", scheme.name(),
                          activations_name(scheme.activations),
                          activations_info(scheme.activations).scale),
       .wanted = "activations that are a function of the token alone",
       .remedy = "use " + batch_invariant_scheme(scheme)});
}

std::string batch_note(const Scheme& scheme) {
  if (batch_invariant(scheme.activations)) return {};
  return fmt::format(
      "{} has one scale {}: these results depend on how the text is cut into calls. It can be "
      "measured, but neither trained nor served; {} can.",
      scheme.name(), activations_info(scheme.activations).scale, batch_invariant_scheme(scheme));
}

}  // namespace farthing
