// Factors are applied when a weight is handed out, so that none is held twice.
#include "quant/rescaling/rescaled_source.h"

#include "base/rehearsal.h"

namespace farthing {
namespace {

const std::vector<float>* find(const std::map<std::string, std::vector<float>>& in,
                               const std::string& name) {
  const auto found = in.find(name);
  return found == in.end() ? nullptr : &found->second;
}

}  // namespace

void ChannelFactors::join(const ChannelFactors& more) {
  columns.insert(more.columns.begin(), more.columns.end());
  rows.insert(more.rows.begin(), more.rows.end());
  vectors.insert(more.vectors.begin(), more.vectors.end());
  one_plus.insert(more.one_plus.begin(), more.one_plus.end());
}

Result<StoredLinear> RescaledSource::linear(const LinearSpec& spec) {
  StoredLinear out = TRY(base_.linear(spec));
  const auto* columns = find(factors_.columns, spec.name);
  const auto* rows = find(factors_.rows, spec.name);
  if (columns == nullptr && rows == nullptr) return out;
  Tensor values = out.weight.decode();
  for (int64_t n = 0; n < spec.n && !rehearsing(); ++n) {
    float* row = values.as<float>() + n * spec.k;
    if (columns != nullptr)
      for (int64_t k = 0; k < spec.k; ++k) row[k] *= (*columns)[static_cast<size_t>(k)];
    if (rows != nullptr)
      for (int64_t k = 0; k < spec.k; ++k) row[k] /= (*rows)[static_cast<size_t>(n)];
  }
  out.weight = {find_format("f32"), spec.n, spec.k, DType::f32, {std::move(values)}};
  return out;
}

Result<KvCacheFormat> RescaledSource::kv_cache() {
  KvCacheFormat out = TRY(base_.kv_cache());
  if (factors_.empty() || out.scales == nullptr) return out;
  return fail(scales_of_other_channels());
}

Error scales_of_other_channels() {
  return {
      .what = "the model's KV cache has scales that rescaled channels would make wrong",
      .where = "quantize",
      .got = "k_scale and v_scale of the model's channels as they are",
      .wanted = "scales that are calibrated behind the rescaling, or another cache",
      .remedy = "give --kv-cache-dtype: int8_static calibrates anew, f32 leaves the scales away"};
}

Result<Tensor> RescaledSource::vector(const VectorSpec& spec) {
  Tensor from = TRY(base_.vector(spec));
  const auto* divisors = find(factors_.vectors, spec.name);
  const auto* plus_one = find(factors_.one_plus, spec.name);
  if (divisors == nullptr && plus_one == nullptr) return from;
  Tensor out(DType::f32, {spec.size});
  for (int64_t i = 0; i < spec.size; ++i) {
    const float value = std::as_const(from).as<float>()[i];
    const auto at = static_cast<size_t>(i);
    out.as<float>()[i] =
        divisors != nullptr ? value / (*divisors)[at] : (1 + value) / (*plus_one)[at] - 1;
  }
  return out;
}

}  // namespace farthing
