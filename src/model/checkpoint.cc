// Opening a checkpoint of either kind, and the checks that both share.
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <cstring>
#include <system_error>

namespace farthing {
namespace {

template <class Bits, class Decode>
int64_t count_nonfinite(const Tensor& plane, const Decode& decode) {
  int64_t count = 0;
  const Bits* bits = plane.as<Bits>();
  for (int64_t i = 0; i < plane.shape().elements(); ++i) {
    const float value = decode(bits[i]);
    count += value - value != 0;
  }
  return count;
}

// Weights, or scales of groups, that are NaN or infinite.
int64_t count_nonfinite(const QuantizedTensor& q) {
  const auto same = [](float x) { return x; };
  if (q.format->plain == DType::f32) return count_nonfinite<float>(q.planes[0], same);
  if (q.format->plain == DType::f16) return count_nonfinite<uint16_t>(q.planes[0], f32_from_f16);
  if (q.format->plain == DType::bf16) return count_nonfinite<uint16_t>(q.planes[0], f32_from_bf16);
  if (!q.format->grid) return count_nonfinite<float>(q.decode(), same);
  int64_t count = 0;
  std::vector<float> scales(static_cast<size_t>(q.n));
  std::vector<int32_t> zeros(static_cast<size_t>(q.n));
  for (int64_t g = 0; g < q.format->grid->groups(q.k); ++g) {
    q.format->group_parameters(q, 0, q.n, g, scales.data(), zeros.data());
    for (float scale : scales) count += scale - scale != 0;
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

Error Checkpoint::not_finite(int64_t count, const std::string& name) const {
  return {.what = "the checkpoint holds weights that are not finite numbers",
          .where = fmt::format("{}, tensor {}", path_.string(), name),
          .got = fmt::format("{} values or scales that are NaN or infinite", count),
          .wanted = "finite weights",
          .remedy = "the file is damaged or its training diverged: take another checkpoint"};
}

Result<> Checkpoint::check_finite(const QuantizedTensor& weight, const std::string& name) const {
  const int64_t count = count_nonfinite(weight);
  if (count == 0) return {};
  return fail(not_finite(count, name));
}

Result<> Checkpoint::check_finite(const Tensor& f32, const std::string& name) const {
  const int64_t count = count_nonfinite<float>(f32, [](float x) { return x; });
  if (count == 0) return {};
  return fail(not_finite(count, name));
}

Tensor transposed(const Tensor& matrix) {
  const int64_t k = matrix.shape()[0], n = matrix.shape()[1], size = dtype_bytes(matrix.dtype());
  Tensor out(matrix.dtype(), {n, k});
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < k; ++column)
      std::memcpy(out.data() + (row * k + column) * size, matrix.data() + (column * n + row) * size,
                  static_cast<size_t>(size));
  return out;
}

std::string plane_tensor_name(const std::string& name, std::string_view plane) {
  return plane == "weight" ? name : fmt::format("{}.{}", name, plane);
}

std::vector<PlaneSpec> static_input_planes(Activations activations) {
  std::vector<PlaneSpec> out;
  if (!is_static(activations)) return out;
  out.push_back({"input_scale", DType::f32, {1}});
  if (activations_info(activations).has_zero_point)
    out.push_back({"input_zero_point", DType::i8, {1}});
  return out;
}

}  // namespace farthing
