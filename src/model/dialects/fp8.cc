// fp8: FP8 with a scale for each block of 128 x 128, as DeepSeek V3 is published, or for the
// tensor.
//
// Layout: of a linear P [n, k] P.weight F8_E4M3 [n, k], and P.weight_scale_inv [n / 128, k / 128],
//         rounded up, F32 or E8M0; or P.weight_scale, one number, and where activations are static
//         P.input_scale, one number. Whatever has another element type is plain.
// Value:  weight * scale, also where the scale is called the inverse.
// Source: github.com/deepseek-ai/DeepSeek-V3, README_WEIGHTS.md; vLLM, fp8.py.
#include <fmt/format.h>

#include "model/dialects/dialect.h"
#include "model/dialects/small_float_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

class Fp8Reader : public DialectReader {
 public:
  explicit Fp8Reader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<Fp8Reader>(source.directory);
    TRY(out->read_section(source.section));
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    const auto* weight = directory_.find(spec.name);
    if (weight == nullptr || weight->dtype != DType::f8_e4m3) return std::nullopt;
    StoredAs out{{find_format(blocks_ ? "fp8_e4m3_block128" : "fp8_e4m3_tensor"), activations_},
                 {spec.name, module + (blocks_ ? ".weight_scale_inv" : ".weight_scale")}};
    if (is_static(activations_)) out.tensors.push_back(module + ".input_scale");
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    StoredLinear out;
    out.weight = TRY(scaled_float_weight(directory_, *as.scheme.weights,
                                         {as.tensors[0], as.tensors[1]}, spec.n, spec.k));
    out.form.e8m0_scales = directory_.find(as.tensors[1])->dtype == DType::f8_e8m0;
    out.activations = as.scheme.activations;
    if (is_static(out.activations)) TRY(read_input_scale(directory_, as.tensors[2], out));
    return out;
  }

 private:
  static Error field_error(const JsonObject& section, const char* field, std::string got,
                           std::string wanted) {
    return {.what = "an FP8 checkpoint of a kind that is not read",
            .where = fmt::format("{}, field {}", section.where(), field),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = "use the unquantized model, which `farthing quantize` brings into FP8"};
  }

  Result<> read_section(const JsonObject& section) {
    const std::string element = TRY(section.string("fmt", "e4m3"));
    if (element != "e4m3") return fail(field_error(section, "fmt", element, "e4m3"));
    blocks_ = section.has("weight_block_size") && !section.is_null("weight_block_size");
    if (blocks_) {
      const auto size = TRY(section.integers("weight_block_size"));
      if (size != std::vector<int64_t>{128, 128})
        return fail(field_error(section, "weight_block_size",
                                fmt::format("[{}]", fmt::join(size, ", ")), "[128, 128]"));
    }
    const std::string scheme = TRY(section.string("activation_scheme", "dynamic"));
    if (scheme != "dynamic" && (scheme != "static" || blocks_))
      return fail(field_error(section, "activation_scheme", scheme,
                              blocks_ ? "dynamic, as weights have blocks" : "dynamic or static"));
    activations_ = scheme == "static" ? Activations::fp8_e4m3_static
                   : blocks_          ? Activations::fp8_e4m3_g128
                                      : Activations::fp8_e4m3_token;
    return {};
  }

  const HuggingFaceDirectory& directory_;
  bool blocks_ = false;
  Activations activations_ = Activations::fp8_e4m3_g128;
};

}  // namespace

Dialect fp8_dialect() { return {.name = "fp8", .quant_methods = {"fp8"}, .open = Fp8Reader::open}; }

}  // namespace farthing
