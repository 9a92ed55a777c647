// bitsandbytes: the tensors of dialects/bitsandbytes.cc, one scheme for all linears.
//
// A scale of int8 becomes SCB, an f32 near 127 * scale of which f32(SCB / 127) is the scale; of 125
// scales one has none.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/bitsandbytes/code_book16.h"
#include "formats/bitsandbytes/dynamic_map.h"
#include "formats/scale_plane.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

constexpr int64_t block = 64, nest = 256;
constexpr float unrounded_threshold = 6;  // what the package calls its default

struct Kind {
  std::string_view format, name;
  bool nested;
  std::span<const float> values;
};
constexpr Kind kinds[] = {{"nf4", "nf4", false, Nf4::values},
                          {"nf4_dq", "nf4", true, Nf4::values},
                          {"bnb_fp4", "fp4", false, BnbFp4::values},
                          {"bnb_fp4_dq", "fp4", true, BnbFp4::values}};

const Kind* kind_of(const Format& format) {
  const auto* at = std::ranges::find(kinds, format.name, &Kind::format);
  return at == std::end(kinds) ? nullptr : at;
}

Tensor table(std::span<const float> values) {
  Tensor out(DType::f32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, out.as<float>());
  return out;
}

float scale_of_scb(float scb) { return scb / 127; }

class BitsAndBytesWriter : public DialectWriter {
 public:
  explicit BitsAndBytesWriter(const WriterOptions& options) : options_(options) {}

  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    if (kind_of(*scheme.weights)) return Scheme{scheme.weights, Activations::f32};
    const Format* layout = integer_layout(*scheme.weights);
    if (layout != nullptr && layout->grid->bits < 8) layout = layout_of_bytes(*layout);
    if (layout != nullptr && layout->name == "int8_row" &&
        (scheme.activations == Activations::f32 || scheme.activations == Activations::int8_token))
      return Scheme{layout, scheme.activations};
    return fail(not_held("bitsandbytes", scheme,
                         "nf4, nf4_dq, bnb_fp4, bnb_fp4_dq, int8_row@int8_token or int8_row@f32",
                         "nf4"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear&,
                                           const StoredLinear& linear) const override {
    const QuantizedTensor& weight = linear.weight;
    if (const Kind* kind = kind_of(*weight.format)) return nibbles(spec, weight, *kind);
    const std::string module = module_of(spec.name);
    Tensor codes = plain_codes(weight), of_rows(DType::f32, {spec.n});
    if (!rehearsing()) {
      for (int64_t i = 0; i < codes.shape().elements(); ++i) codes.as<uint8_t>()[i] ^= 0x80;
      for (int64_t n = 0; n < spec.n; ++n) {
        const float scale = load_scale(scales_of(weight), n);
        of_rows.as<float>()[n] =
            TRY(options_.inverse_scale(module + ".SCB", scale, scale * 127, scale_of_scb));
      }
    }
    return std::vector<NamedTensor>{
        {spec.name, codes.viewed_as(DType::i8, codes.shape())},
        {module + ".SCB", std::move(of_rows)},
        {module + ".weight_format", Tensor(DType::u8, {})}};  // 0: row-major
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const Scheme scheme = TRY(only_scheme("bitsandbytes", linears));
    const Kind* kind = kind_of(*scheme.weights);
    JsonWriter json;
    json.begin_object().field("quant_method", "bitsandbytes");
    json.field("load_in_4bit", kind != nullptr).field("load_in_8bit", kind == nullptr);
    const bool rounded = scheme.activations == Activations::int8_token;
    json.field("llm_int8_threshold", rounded ? 0.0f : unrounded_threshold);
    if (kind != nullptr) {
      json.field("bnb_4bit_quant_type", kind->name);
      json.field("bnb_4bit_use_double_quant", kind->nested);
      json.field("bnb_4bit_quant_storage", "uint8").field("bnb_4bit_compute_dtype", options_.dtype);
    }
    json.key("llm_int8_skip_modules").begin_array();
    for (const std::string& module : plain_modules(linears)) json.value(module);
    return json.end_array().end_object().take();
  }

 private:
  Result<std::vector<NamedTensor>> nibbles(const LinearSpec& spec, const QuantizedTensor& weight,
                                           const Kind& kind) const {
    const std::string& name = spec.name;
    const Tensor& codes = weight.planes[0];
    std::vector<NamedTensor> out{{name, codes.reshaped({codes.shape()[0], 1})},
                                 {name + ".absmax", weight.planes[1]},
                                 {name + ".quant_map", table(kind.values)}};
    std::string state =
        fmt::format(R"({{"quant_type": "{}", "blocksize": {}, "dtype": "{}", "shape": [{}, {}])",
                    kind.name, block, options_.dtype, spec.n, spec.k);
    if (kind.nested) {
      constexpr DynamicMap map{};
      std::vector<float> values;
      for (int code = 0; code < 256; ++code)
        values.push_back(map.decode(static_cast<uint8_t>(code)));
      out.push_back({name + ".nested_absmax", weight.planes[2]});
      out.push_back({name + ".nested_quant_map", table(values)});
      const double offset = rehearsing() ? 0 : weight.planes[3].as<float>()[0];
      state += fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", )"
                           R"("nested_offset": {})",
                           nest, offset);
    }
    state += "}";
    // How many digits the offset has is known once it is there.
    constexpr size_t most_digits = 32;
    Tensor text(DType::u8,
                {static_cast<int64_t>(rehearsing() && kind.nested ? state.size() + most_digits
                                                                  : state.size())});
    if (!rehearsing()) std::memcpy(text.data(), state.data(), state.size());
    out.push_back({fmt::format("{}.quant_state.bitsandbytes__{}", name, kind.name), std::move(text),
                   kind.nested});
    return out;
  }

  WriterOptions options_;
};

}  // namespace

DialectTarget bitsandbytes_target() {
  return {.name = "bitsandbytes",
          .holds = "NF4, FP4 (also with double quantization), INT8 for each row, one scheme",
          .readers = "transformers, vLLM",
          .create = [](const WriterOptions& options) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<BitsAndBytesWriter>(options);
          }};
}

}  // namespace farthing
