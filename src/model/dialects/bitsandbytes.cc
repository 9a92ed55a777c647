// bitsandbytes: what transformers saves of a model that was loaded in 4 or 8 bits.
//
// Layout: 4 bits: of a linear P [n, k] P.weight of ceil(n k / 2) bytes, the even element in the
// high
//         nibble; P.weight.absmax F32 [n k / 64]; P.weight.quant_map F32 [16];
//         P.weight.quant_state.bitsandbytes__nf4 (or __fp4), a JSON object as U8. Nested: absmax
//         U8, P.weight.nested_absmax F32 [blocks / 256], P.weight.nested_quant_map F32 [256]. 8
//         bits: P.weight I8 [n, k], P.SCB F32 [n].
// Value:  quant_map[code] * absmax; nested: absmax = nested_quant_map[code] * nested_absmax +
//         nested_offset. 8 bits: code * f32(SCB / 127).
// Activations of 8 bits: with llm_int8_threshold 0 int8 for each token; else f32, as which columns
//         stay unrounded would depend on the batch.
// Source: bitsandbytes, functional.py (QuantState.as_dict); transformers, quantizer_bnb_8bit.py.
#include <fmt/format.h>

#include <cstring>

#include "base/rehearsal.h"
#include "formats/bitsandbytes/code_book16.h"
#include "formats/bitsandbytes/dynamic_map.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

constexpr int64_t block = 64, nest = 256;
constexpr const char* state_of = ".quant_state.bitsandbytes__";

struct Kind {
  const char *name, *plain, *nested;
  std::span<const float> values;
};
constexpr Kind kinds[] = {{"nf4", "nf4", "nf4_dq", Nf4::values},
                          {"fp4", "bnb_fp4", "bnb_fp4_dq", BnbFp4::values}};

class BitsAndBytesReader : public DialectReader {
 public:
  explicit BitsAndBytesReader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<BitsAndBytesReader>(source.directory);
    out->rounds_inputs_ = TRY(source.section.number("llm_int8_threshold", 6.0)) == 0;
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string& name = spec.name;
    StoredAs out{{}, {name}};
    for (const Kind& kind : kinds) {
      const std::string state = name + state_of + kind.name;
      if (directory_.find(state) == nullptr) continue;
      const bool nested = directory_.find(name + ".nested_absmax") != nullptr;
      out.scheme.weights = find_format(nested ? kind.nested : kind.plain);
      out.group = static_cast<size_t>(&kind - kinds);
      out.tensors.insert(out.tensors.end(), {state, name + ".absmax", name + ".quant_map"});
      if (nested)
        out.tensors.insert(out.tensors.end(),
                           {name + ".nested_absmax", name + ".nested_quant_map"});
      return out;
    }
    const std::string module = module_of(name);
    if (directory_.find(module + ".SCB") == nullptr) return std::nullopt;
    out.scheme = {find_format("int8_row"),
                  rounds_inputs_ ? Activations::int8_token : Activations::f32};
    out.tensors.push_back(module + ".SCB");
    if (directory_.find(module + ".weight_format") != nullptr)
      out.tensors.push_back(module + ".weight_format");
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    return as.scheme.weights->grid ? bytes(spec, as) : nibbles(spec, as);
  }

 private:
  Error state_error(const std::string& tensor, std::string field, std::string got,
                    std::string wanted) const {
    return {.what = "a state of bitsandbytes that is not read",
            .where = fmt::format("{}, tensor {}, field {}", directory_.path().string(), tensor,
                                 std::move(field)),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy =
                "quantize the unquantized model with the defaults, or with `farthing "
                "quantize`"};
  }

  // The JSON object of a tensor, where it says what the format is.
  Result<JsonObject> state(const LinearSpec& spec, const std::string& name) const {
    const Tensor tensor = TRY(directory_.tensor(name));
    if (tensor.dtype() != DType::u8)
      return fail(tensor_type_error(directory_, name, tensor.dtype(), "U8"));
    const std::string_view text(reinterpret_cast<const char*>(tensor.data()),
                                static_cast<size_t>(tensor.bytes()));
    JsonObject out = TRY(
        JsonObject::parse(text, fmt::format("{}, tensor {}", directory_.path().string(), name)));
    const int64_t size = TRY(out.integer("blocksize"));
    if (size != block)
      return fail(state_error(name, "blocksize", std::to_string(size), std::to_string(block)));
    const auto shape = TRY(out.integers("shape"));
    if (shape != std::vector<int64_t>{spec.n, spec.k})
      return fail(state_error(name, "shape", fmt::format("[{}]", fmt::join(shape, ", ")),
                              fmt::format("[{}, {}]", spec.n, spec.k)));
    return out;
  }

  // A table that is a constant of the format.
  Result<> check_table(const std::string& name, std::span<const float> values) const {
    const auto count = static_cast<int64_t>(values.size());
    const Tensor table = TRY(tensor_of(directory_, name, {DType::f32}, {count}));
    if (rehearsing()) return {};
    for (int64_t i = 0; i < count; ++i)
      if (table.as<float>()[i] != values[static_cast<size_t>(i)])
        return fail(state_error(name, std::to_string(i), fmt::format("{}", table.as<float>()[i]),
                                fmt::format("{}", values[static_cast<size_t>(i)])));
    return {};
  }

  Result<StoredLinear> nibbles(const LinearSpec& spec, const StoredAs& as) const {
    const Format& format = *as.scheme.weights;
    const auto planes = format.planes(spec.n, spec.k, format.scale_dtype);
    const JsonObject said = TRY(state(spec, as.tensors[1]));
    const Tensor codes = TRY(directory_.tensor(spec.name));  // of any type, as quant_storage says
    if (codes.bytes() != planes[0].shape.elements())
      return fail(tensor_shape_error(directory_, spec.name, codes.shape(),
                                     {planes[0].shape.elements(), 1}));
    TRY(check_table(as.tensors[3], kinds[as.group].values));
    StoredLinear out;
    out.weight = {&format, spec.n, spec.k, format.scale_dtype, {}};
    out.weight.planes.push_back(codes.viewed_as(DType::u8, planes[0].shape));
    out.weight.planes.push_back(
        TRY(tensor_of(directory_, as.tensors[2], {planes[1].dtype}, planes[1].shape)));
    if (planes.size() == 2) return out;
    const int64_t size = TRY(said.integer("nested_blocksize"));
    if (size != nest)
      return fail(state_error(as.tensors[1], "nested_blocksize", std::to_string(size), "256"));
    constexpr DynamicMap map{};
    std::vector<float> values;
    for (int code = 0; code < 256; ++code) values.push_back(map.decode(static_cast<uint8_t>(code)));
    TRY(check_table(as.tensors[5], values));
    out.weight.planes.push_back(
        TRY(tensor_of(directory_, as.tensors[4], {DType::f32}, planes[2].shape)));
    Tensor offset(DType::f32, {1});
    offset.as<float>()[0] = static_cast<float>(TRY(said.number("nested_offset")));
    out.weight.planes.push_back(std::move(offset));
    return out;
  }

  Result<StoredLinear> bytes(const LinearSpec& spec, const StoredAs& as) const {
    const int64_t n = spec.n, k = spec.k;
    const Tensor from = TRY(tensor_of(directory_, spec.name, {DType::i8}, {n, k}));
    const Tensor absmax = TRY(loose_tensor_of(directory_, as.tensors[1], {DType::f32}, {n, 1}));
    Tensor codes(DType::u8, {n, k}), scales(DType::f32, {n, 1});
    if (!rehearsing()) {
      for (int64_t i = 0; i < n * k; ++i)
        codes.as<uint8_t>()[i] = static_cast<uint8_t>(from.as<int8_t>()[i] + 128);
      for (int64_t i = 0; i < n; ++i) scales.as<float>()[i] = absmax.as<float>()[i] / 127;
    }
    return StoredLinear{integer_weight(*as.scheme.weights, 8, std::move(codes), std::move(scales)),
                        as.scheme.activations};
  }

  const HuggingFaceDirectory& directory_;
  bool rounds_inputs_ = false;
};

}  // namespace

Dialect bitsandbytes_dialect() {
  return {
      .name = "bitsandbytes", .quant_methods = {"bitsandbytes"}, .open = BitsAndBytesReader::open};
}

}  // namespace farthing
