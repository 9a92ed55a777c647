// farthing: the directory that `farthing quantize` writes (docs/checkpoint.md). Each linear's
// scheme stands in quantization_config, its planes are tensors of the linear's name.
#include <fmt/format.h>

#include <map>

#include "formats/input_groups.h"
#include "formats/outliers.h"
#include "model/checkpoint.h"
#include "model/dialects/dialect.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

constexpr int64_t scheme_version = 1;
constexpr const char* damaged = "the file is damaged: quantize the model again";

class FarthingReader : public DialectReader {
 public:
  explicit FarthingReader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    const int64_t version = TRY(source.section.integer("version", scheme_version));
    if (version != scheme_version) {
      return fail({.what = "a quantized checkpoint of a dialect that is not read",
                   .where = source.section.where(),
                   .got = fmt::format("quant_method farthing, version {}", version),
                   .wanted = fmt::format("quant_method farthing, version {}", scheme_version),
                   .remedy = "use the unquantized model, or a GGUF file of it"});
    }
    auto out = std::make_unique<FarthingReader>(source.directory);
    TRY(read_rotation(source));
    TRY(out->read_kv_codec(source.section));
    TRY(out->read_schemes(source));
    return out;
  }

  KvCodec kv_codec() const override { return kv_codec_; }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const auto found = schemes_.find(spec.name);
    if (found == schemes_.end()) return std::nullopt;
    StoredAs out{found->second, {}};
    const Format& format = *out.scheme.weights;
    for (const PlaneSpec& plane : format.planes(spec.n, spec.k, format.scale_dtype))
      out.tensors.push_back(plane_tensor_name(spec.name, plane.name));
    for (const PlaneSpec& plane : input_planes(out.scheme.activations, spec.k))
      out.tensors.push_back(plane_tensor_name(spec.name, plane.name));
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    StoredLinear out;
    out.activations = as.scheme.activations;
    out.input = TRY(stored_input(spec, out.activations));
    if (!as.scheme.weights->plain) out.weight = TRY(stored_planes(spec, *as.scheme.weights));
    return out;
  }

 private:
  static Result<> read_rotation(const DialectSource& source) {
    if (!source.section.has("rotation")) return {};
    Rotation rotation = TRY(parse_rotation(TRY(source.section.string("rotation"))));
    rotation.seed = TRY(source.section.integer("rotation_seed", 0));
    return rotate_plan(source.config, rotation, source.directory.path().string());
  }

  Result<> read_kv_codec(const JsonObject& section) {
    const std::string name = TRY(section.string("kv_cache_dtype", "f32"));
    const auto codec = find_kv_codec(name);
    if (!codec) {
      return fail({.what = "the quantization section names a KV cache of an unknown type",
                   .where = fmt::format("{}, field kv_cache_dtype", section.where()),
                   .got = name,
                   .wanted = "one of " + kv_codec_names(),
                   .remedy = "correct the name, or quantize the model again"});
    }
    kv_codec_ = *codec;
    return {};
  }

  Result<> read_schemes(const DialectSource& source) {
    std::map<std::string, const LinearSpec*> known;
    const TensorSpecs tensors = tensors_of(source.config);
    for (const auto* specs : {&tensors.tables, &tensors.linears})
      for (const LinearSpec& spec : *specs) known.emplace(spec.name, &spec);
    const auto linears = TRY(source.section.object("linears"));
    for (const std::string& name : linears.keys()) {
      auto scheme = parse_scheme(TRY(linears.member_string(name)));
      if (!scheme) {
        scheme.error().where = fmt::format("{}.linears, {}", source.section.where(), name);
        return fail(std::move(scheme.error()));
      }
      if (!known.contains(name)) {
        return fail({.what = "the quantization section names a linear that the model does not have",
                     .where = fmt::format("{}.linears", source.section.where()),
                     .got = name,
                     .wanted = "names of the architecture's linears",
                     .remedy = damaged});
      }
      schemes_.emplace(name, *scheme);
    }
    return {};
  }

  // Whether its one size is free.
  static bool is_list(const PlaneSpec& plane) { return plane.dtype == DType::i32; }

  // The parameters of an activation format that has any.
  Result<StaticInput> stored_input(const LinearSpec& linear, Activations activations) const {
    StaticInput out;
    for (const PlaneSpec& plane : input_planes(activations, linear.k)) {
      const std::string name = plane_tensor_name(linear.name, plane.name);
      if (directory_.find(name) == nullptr) {
        return fail({.what = "a parameter of an activation format is missing",
                     .where = fmt::format("{}, tensor {}", directory_.path().string(), name),
                     .got = "no such tensor",
                     .wanted = fmt::format("{} {}, as {} needs it", dtype_name(plane.dtype),
                                           is_list(plane) ? "[columns]" : "[1]",
                                           activations_name(activations)),
                     .remedy = "quantize the model again"});
      }
      const Tensor tensor = TRY(directory_.tensor(name));
      const bool fits = is_list(plane) ? tensor.shape().rank() == 1 && tensor.shape()[0] <= linear.k
                                       : tensor.shape() == plane.shape;
      if (!fits) return fail(tensor_shape_error(directory_, name, tensor.shape(), plane.shape));
      if (tensor.dtype() != plane.dtype) {
        return fail({.what = "a parameter of an activation format has the wrong element type",
                     .where = fmt::format("{}, tensor {}", directory_.path().string(), name),
                     .got = std::string(dtype_name(tensor.dtype())),
                     .wanted = std::string(dtype_name(plane.dtype)),
                     .remedy = damaged});
      }
      take_input_plane(tensor, plane.name, out);
    }
    if (is_valid(activations, out) && out.outliers.fit(linear.k)) return out;
    const bool columns = !out.outliers.empty();
    return fail(
        {.what = "a parameter of an activation format is none that a calibration chooses",
         .where = fmt::format("{}, tensor {}", directory_.path().string(),
                              plane_tensor_name(linear.name, input_planes(activations, 0)[0].name)),
         .got = columns ? fmt::format("{}", fmt::join(out.outliers.list(), ", "))
                        : fmt::format(
                              "{}", has_outliers(activations) ? out.outlier_threshold : out.scale),
         .wanted = columns ? fmt::format("ascending numbers of columns below {}", linear.k)
                           : "a finite number above 0",
         .remedy = damaged});
  }

  Result<QuantizedTensor> stored_planes(const LinearSpec& spec, const Format& format) const {
    QuantizedTensor out{&format, spec.n, spec.k, format.scale_dtype, {}};
    if (spec.k % format.block != 0)
      return fail(
          tensor_shape_error(directory_, spec.name, {spec.n, spec.k}, {spec.n, format.block}));
    const auto scales = directory_.find(plane_tensor_name(spec.name, "scales"));
    const bool free_scales = is_scale_dtype(format.scale_dtype);
    if (scales != nullptr && free_scales) out.scale_dtype = scales->dtype;
    for (const PlaneSpec& plane : format.planes(spec.n, spec.k, out.scale_dtype)) {
      const std::string name = plane_tensor_name(spec.name, plane.name);
      Tensor tensor = TRY(directory_.tensor(name));
      if (plane.counted ? tensor.shape().rank() != 1 : tensor.shape() != plane.shape)
        return fail(tensor_shape_error(directory_, name, tensor.shape(), plane.shape));
      const bool of_choice = plane.name == "scales" && free_scales;
      if (tensor.dtype() != plane.dtype || (of_choice && !is_scale_dtype(tensor.dtype()))) {
        return fail(
            {.what = "a plane of a quantized matrix has the wrong element type",
             .where = fmt::format("{}, tensor {}", directory_.path().string(), name),
             .got = std::string(dtype_name(tensor.dtype())),
             .wanted = of_choice ? "F16, BF16 or F32" : std::string(dtype_name(plane.dtype)),
             .remedy = damaged});
      }
      out.planes.push_back(std::move(tensor));
    }
    const std::string where = fmt::format("{}, tensor {}", directory_.path().string(), spec.name);
    TRY(check_outliers(out, where));
    TRY(check_input_groups(out, where));
    return out;
  }

  const HuggingFaceDirectory& directory_;
  KvCodec kv_codec_ = KvCodec::f32;
  std::map<std::string, Scheme> schemes_;
};

}  // namespace

Dialect farthing_dialect() {
  return {.name = "farthing", .quant_methods = {"farthing"}, .open = FarthingReader::open};
}

}  // namespace farthing
