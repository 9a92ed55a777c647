// Encoding for tests over the registry of formats: seeded values, default rules, comparison of
// planes.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/format.h"

namespace farthing {

inline std::vector<float> random_values(int64_t count, float scale, uint64_t stream = 1) {
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    out[static_cast<size_t>(i)] = scale * random_normal(11, stream, static_cast<uint64_t>(i));
  return out;
}

inline ScaleRule default_rule(const Format& format) {
  return format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front();
}

struct Encoded {
  QuantizedTensor q;
  EncodeReport report;
};

inline Encoded encode(const Format& format, const std::vector<float>& values, int64_t k,
                      ScaleRule rule, DType scale_dtype) {
  const auto n = static_cast<int64_t>(values.size()) / k;
  Encoded out{QuantizedTensor::allocate(format, n, k, scale_dtype), {}};
  out.report = out.q.encode(values.data(), k, rule);
  return out;
}
inline Encoded encode(const Format& format, const std::vector<float>& values, int64_t k,
                      ScaleRule rule) {
  return encode(format, values, k, rule, format.scale_dtype);
}
inline Encoded encode(const Format& format, const std::vector<float>& values, int64_t k) {
  return encode(format, values, k, default_rule(format));
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}
inline bool same_planes(const QuantizedTensor& a, const QuantizedTensor& b) {
  bool same = a.planes.size() == b.planes.size();
  for (size_t p = 0; same && p < a.planes.size(); ++p) same = same_bytes(a.planes[p], b.planes[p]);
  return same;
}

inline std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.shape().elements()};
}

// The least multiple of the format's block that is not below k.
inline int64_t fitting(const Format& format, int64_t k) {
  return (k + format.block - 1) / format.block * format.block;
}

template <class Wanted>
std::vector<std::string> names_of(const Wanted& wanted) {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    if (wanted(format)) out.emplace_back(format.name);
  return out;
}
inline const auto name_itself = [](const auto& info) { return info.param; };

}  // namespace farthing
