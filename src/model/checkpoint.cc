// Opening a checkpoint of either kind, and the checks that both share.
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>

#include "base/check.h"
#include "base/on_threads.h"
#include "base/rehearsal.h"
#include "model/transposed.h"

namespace farthing {
namespace {

// A float is NaN or infinite where its exponent's bits are all ones; vectors count 16 or 8 at once.
template <class Bits>
int64_t count_nonfinite(const Bits* bits, int64_t elements, Bits exponent) {
  int64_t count = 0;
  for (int64_t begin = 0; begin < elements;) {
    const int64_t end = std::min(elements, begin + 4096);
    Bits found = 0;  // at most 4096
    for (int64_t i = begin; i < end; ++i)
      found = static_cast<Bits>(found + ((bits[i] & exponent) == exponent));
    count += found;
    begin = end;
  }
  return count;
}

template <class Bits>
int64_t count_nonfinite(ThreadPool* pool, const Tensor& plane, Bits exponent) {
  const Bits* bits = plane.as<Bits>();
  const int64_t elements = plane.shape().elements();
  std::atomic<int64_t> count{0};
  on_threads(pool, [&](Part part) {
    const auto range = part.range(elements, 4096);
    count += count_nonfinite(bits + range.begin, range.end - range.begin, exponent);
  });
  return count;
}

int64_t count_nonfinite(ThreadPool* pool, const Tensor& floats) {
  switch (floats.dtype()) {
    case DType::f32:
      return count_nonfinite<uint32_t>(pool, floats, 0x7f800000);
    case DType::f16:
      return count_nonfinite<uint16_t>(pool, floats, 0x7c00);
    default:
      CHECK(floats.dtype() == DType::bf16);
      return count_nonfinite<uint16_t>(pool, floats, 0x7f80);
  }
}

// Weights, or scales of groups, that are NaN or infinite.
int64_t count_nonfinite(ThreadPool* pool, const QuantizedTensor& q) {
  const Format& format = *q.format;
  if (format.plain) return count_nonfinite(pool, q.planes[0]);
  if (!format.grid) return count_nonfinite(pool, q.decode());
  if (rehearsing()) return 0;
  const auto planes = format.planes(q.n, q.k, q.scale_dtype);
  const auto scales = std::ranges::find(planes, "scales", &PlaneSpec::name);
  if (scales != planes.end() && is_scale_dtype(scales->dtype))
    return count_nonfinite(pool, q.planes[static_cast<size_t>(scales - planes.begin())]);
  int64_t count = 0;
  std::vector<float> of_group(static_cast<size_t>(q.n));
  std::vector<int32_t> zeros(of_group.size());
  for (int64_t g = 0; g < format.grid->groups(q.k); ++g) {
    format.group_parameters(q, 0, q.n, g, of_group.data(), zeros.data());
    for (float scale : of_group) count += scale - scale != 0;
  }
  return count;
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) return open_hugging_face(path);
  if (std::filesystem::exists(path, code)) return open_gguf(path);
  return fail(
      {.what = "there is no model at this path",
       .where = path.string(),
       .got = code ? code.message() : "no such file or folder",
       .wanted =
           "a Hugging Face directory, a GGUF file, or a directory that `farthing quantize` wrote",
       .remedy = "check the path"});
}

Result<> Checkpoint::each_plain_tensor(const UseTensor& use) {
  const TensorSpecs specs = tensors_of(config_);
  for (const LinearSpec& spec : specs.tables) {
    const QuantizedTensor weight = TRY(table(spec)).weight;
    if (weight.format->plain) TRY(use(spec.name, weight.planes[0]));
  }
  for (const LinearSpec& spec : specs.linears) {
    const QuantizedTensor weight = TRY(linear(spec)).weight;
    if (!weight.format->plain) continue;
    const Tensor matrix = spec.transposed ? transposed(weight.planes[0]) : weight.planes[0];
    const Shape of_stack{1, matrix.shape()[0], matrix.shape()[1]};
    TRY(spec.stack.empty() ? use(spec.name, matrix) : use(spec.stack, matrix.reshaped(of_stack)));
  }
  for (const VectorSpec& spec : specs.vectors) {
    const Tensor values = TRY(vector(spec));
    TRY(spec.stack.empty() ? use(spec.name, values)
                           : use(spec.stack, values.reshaped({1, spec.size})));
  }
  return {};
}

Error Checkpoint::not_finite(int64_t count, const std::string& name) const {
  return {.what = "the checkpoint holds weights that are not finite numbers",
          .where = fmt::format("{}, tensor {}", path_.string(), name),
          .got = fmt::format("{} values or scales that are NaN or infinite", count),
          .wanted = "finite weights",
          .remedy = "the file is damaged or its training diverged: take another checkpoint"};
}

Result<> Checkpoint::check_finite(const QuantizedTensor& weight, const std::string& name) const {
  const int64_t count = count_nonfinite(pool_, weight);
  if (count == 0) return {};
  return fail(not_finite(count, name));
}

Result<> Checkpoint::check_finite(const Tensor& f32, const std::string& name) const {
  const int64_t count = count_nonfinite(pool_, f32);
  if (count == 0) return {};
  return fail(not_finite(count, name));
}

std::string plane_tensor_name(const std::string& name, std::string_view plane) {
  return plane == "weight" ? name : fmt::format("{}.{}", name, plane);
}

std::string kv_cache_note(const StatedKvCache& stated) {
  if (stated.text.empty()) return {};
  return "note: the files want a KV cache that is " + stated.text +
         "; it is not read: the cache is f32, or what --kv-cache-dtype says\n";
}

KvScaleNames kv_scale_names(const BlockPlan& block) {
  const bool latent = block.latent.heads > 0;
  const std::string& output = latent ? block.latent.output.name : block.attention.output.name;
  const std::string attention = output.substr(0, output.rfind('.'));
  return {attention + ".k_scale", attention + ".v_scale"};
}

namespace {

constexpr std::string_view scale_plane = "input_scale", zero_plane = "input_zero_point",
                           outliers_plane = "input_outliers",
                           threshold_plane = "input_outlier_threshold";

}  // namespace

std::vector<PlaneSpec> input_planes(Activations activations, int64_t outliers) {
  const ActivationsInfo& info = activations_info(activations);
  if (info.has_outliers && info.is_static) return {{outliers_plane, DType::i32, {outliers}}};
  if (info.has_outliers) return {{threshold_plane, DType::f32, {1}}};
  std::vector<PlaneSpec> out;
  if (info.is_static) out.push_back({scale_plane, DType::f32, {1}});
  if (info.has_zero_point) out.push_back({zero_plane, DType::i8, {1}});
  return out;
}

Tensor input_plane(const StaticInput& input, std::string_view plane) {
  if (plane == outliers_plane) {
    Tensor out(DType::i32, {input.outliers.count()});
    std::copy(input.outliers.list().begin(), input.outliers.list().end(), out.as<int32_t>());
    return out;
  }
  if (plane == zero_plane) {
    Tensor out(DType::i8, {1});
    out.as<int8_t>()[0] = static_cast<int8_t>(input.zero);
    return out;
  }
  Tensor out(DType::f32, {1});
  out.as<float>()[0] = plane == scale_plane ? input.scale : input.outlier_threshold;
  return out;
}

void take_input_plane(const Tensor& tensor, std::string_view plane, StaticInput& input) {
  if (plane == outliers_plane) {
    const int32_t* const list = tensor.as<int32_t>();
    input.outliers = OutlierColumns({list, list + tensor.shape().elements()});
  } else if (plane == zero_plane) {
    input.zero = tensor.as<int8_t>()[0];
  } else {
    (plane == scale_plane ? input.scale : input.outlier_threshold) = tensor.as<float>()[0];
  }
}

}  // namespace farthing
