// quark: what AMD Quark exports. global_quant_config states a scheme for every linear,
// layer_type_quant_config another for classes of modules, layer_quant_config for those whose names
// its wildcards fit; `exclude` leaves modules out.
//
// Layout: of a linear P [n, k], by dtype and qscheme
//   fp8_e4m3           P.weight F8_E4M3 [n, k]; P.weight_scale, a number, [n], [n, k / 128] or
//                      [n / 128, k / 128]
//   fp4, fp6, fp8_e4m3 in groups of 32 under e8m0: P.weight U8 [n, k b / 8], LSB first, or F8_E4M3
//                      [n, k]; P.weight_scale U8 [n, k / 32]
//   fp4 in groups of 16 under fp8_e4m3: P.weight U8 [n, k / 2], P.weight_scale F8_E4M3 [n, k / 16],
//                      P.weight_scale_2, a number that multiplies
//   int8, uint8        P.weight I8 or U8 [n, k], P.weight_scale, P.weight_zero_point; in groups
//                      [k, n], and [groups, n] of both others
//   int4, uint4        in groups: P.weight I32 [k, n / 8], P.weight_scale [groups, n],
//                      P.weight_zero_point I32 [groups, n / 8]; eight along n in AWQ's order, or in
//                      their own where export.pack_method is "order"; int4 in two's complement
//   static inputs      P.input_scale, P.input_zero_point; NVFP4: P.input_scale_2
// Value:  scale * (code - zero).
// Source: AMD Quark 0.13, quark/torch/export/ and quark/torch/utils/pack.py.
#include <fmt/format.h>

#include <algorithm>

#include "base/rehearsal.h"
#include "model/checkpoint.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/module_patterns.h"
#include "model/dialects/quark/arguments.h"
#include "model/dialects/small_float_weights.h"
#include "model/dialects/stored_tensors.h"
#include "model/transposed.h"

namespace farthing {
namespace {

using quark::Layer;
using quark::Storage;
using quark::Weights;

// Two's complement of 4 bits as a number from 0, and back.
void turn_signs(Tensor& nibbles) {
  if (rehearsing()) return;
  for (int64_t i = 0; i < nibbles.shape().elements(); ++i) nibbles.as<uint8_t>()[i] ^= 8;
}

class QuarkReader : public DialectReader {
 public:
  explicit QuarkReader(const HuggingFaceDirectory& directory) : directory_(directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<QuarkReader>(source.directory);
    TRY(out->read_section(source.section));
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool embedding) const override {
    const std::string module = module_of(spec.name);
    const std::string scale = module + ".weight_scale";
    const size_t index = TRY(layer_of(module, embedding ? "Embedding" : "Linear"));
    if (index == nothing || layers_[index].weight.empty()) {
      if (directory_.find(scale) == nullptr) return std::nullopt;
      return fail(left_out_error(where_, "excluded, or without a weight's scheme", module, scale));
    }
    StoredAs out{
        {TRY(quark::weights_of(layers_[index])).format, TRY(quark::activations_of(layers_[index]))},
        {},
        index};
    for (const char* part : {".weight", ".weight_scale", ".weight_zero_point", ".weight_scale_2",
                             ".input_scale", ".input_zero_point", ".input_scale_2"})
      if (directory_.find(module + part) != nullptr) out.tensors.push_back(module + part);
    if (out.tensors.empty()) out.tensors.push_back(spec.name);
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const Weights stored = TRY(quark::weights_of(layers_[as.group]));
    StoredLinear out;
    out.weight = TRY(weight(spec, module, stored));
    out.form.in_order = stored.storage == Storage::words_of_groups && !reordered_;
    out.activations = as.scheme.activations;
    if (!is_static(out.activations)) return out;
    const bool nvfp4 = out.activations == Activations::nvfp4;
    TRY(read_input_scale(directory_, module + (nvfp4 ? ".input_scale_2" : ".input_scale"), out));
    const std::string of_zero = module + ".input_zero_point";
    if (!activations_info(out.activations).has_zero_point) {
      TRY(check_no_zeros(of_zero));
      return out;
    }
    const Tensor zero = TRY(loose_tensor_of(directory_, of_zero, {DType::i8, DType::i32}, {1}));
    out.input.zero = zero.dtype() == DType::i8 ? zero.as<int8_t>()[0] : zero.as<int32_t>()[0];
    return out;
  }

 private:
  static constexpr size_t nothing = ~size_t{0};
  struct Pattern {
    std::string text;
    size_t layer;
  };

  // Rotations of inputs at run time, and what multiplies them before, are tensors.
  Result<> check_no_rotation() const {
    for (const auto& entry : directory_.entries()) {
      const std::string part = entry.name.substr(entry.name.rfind('.') + 1);
      if (part != "input_rotation" && part != "input_prescale" &&
          !part.starts_with("shared_input_rotation"))
        continue;
      return fail({.what = "the weights want inputs that are rotated, which is not computed here",
                   .where = fmt::format("{}, tensor {}", directory_.path().string(), entry.name),
                   .got = "such a tensor",
                   .wanted = "rotations that are part of the weights",
                   .remedy = "export the model without online rotations, or use the unquantized "
                             "model with `farthing quantize --rotate`"});
    }
    return {};
  }

  Result<> read_section(const JsonObject& section) {
    where_ = section.where();
    TRY(check_no_rotation());
    if (section.has("softmax_quant_spec") && !section.is_null("softmax_quant_spec"))
      return fail(field_error("softmax_quant_spec", "a value", "null"));
    if (section.has("exclude") && !section.is_null("exclude"))
      excluded_ = TRY(section.strings("exclude"));
    const std::string form = TRY(section.string("export.weight_format", "real_quantized"));
    if (form != "real_quantized")
      return fail(field_error("export.weight_format", form, "real_quantized"));
    const std::string packing = TRY(section.string("export.pack_method", "reorder"));
    if (packing != "reorder" && packing != "order")
      return fail(field_error("export.pack_method", packing, "reorder or order"));
    reordered_ = packing == "reorder";
    if (section.has("export.kv_cache_group") && !section.is_null("export.kv_cache_group"))
      cache_groups_ = TRY(section.strings("export.kv_cache_group"));
    if (!cache_groups_.empty()) stated_kv_cache_.text = "rounded (field export.kv_cache_group)";
    layers_.push_back(TRY(quark::read_layer(TRY(section.object("global_quant_config")), false)));
    TRY(read_patterns(section, "layer_type_quant_config", classes_));
    return read_patterns(section, "layer_quant_config", patterns_);
  }

  Error field_error(const char* field, std::string got, std::string wanted) const {
    return {.what = "a Quark checkpoint of a kind that is not read",
            .where = fmt::format("{}, field {}", where_, field),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = "export the model again with this value"};
  }

  Result<> read_patterns(const JsonObject& section, const char* field, std::vector<Pattern>& to) {
    if (!section.has(field) || section.is_null(field)) return {};
    const JsonObject all = TRY(section.object(field));
    for (const std::string& name : all.keys()) {
      const bool cache = std::ranges::find(cache_groups_, name) != cache_groups_.end();
      to.push_back({name, layers_.size()});
      layers_.push_back(TRY(quark::read_layer(TRY(all.member(name)), cache)));
    }
    return {};
  }

  // What is said of a module, as an index of layers_; nothing where it is left out.
  Result<size_t> layer_of(const std::string& module, std::string_view class_name) const {
    for (const std::string& pattern : excluded_)
      if (wildcard_matches(pattern, module)) return nothing;
    const Pattern* found = nullptr;
    for (const Pattern& pattern : patterns_) {
      if (!wildcard_matches(pattern.text, module)) continue;
      // The first of them counts, but an object of JSON has no order.
      if (found != nullptr && layers_[found->layer] != layers_[pattern.layer]) {
        return fail(
            {.what = "two patterns say different things of one module",
             .where = fmt::format("{}, field layer_quant_config, module {}", where_, module),
             .got = fmt::format("\"{}\" and \"{}\"", found->text, pattern.text),
             .wanted = "one, or several that agree",
             .remedy = "make the patterns exclude each other"});
      }
      found = &pattern;
    }
    if (found != nullptr) return found->layer;
    for (const Pattern& pattern : classes_)
      if (pattern.text == class_name) return pattern.layer;
    return class_name == "Linear" ? 0 : nothing;
  }

  Result<QuantizedTensor> weight(const LinearSpec& spec, const std::string& module,
                                 const Weights& as) const {
    const int64_t n = spec.n, k = spec.k;
    const SmallFloatTensors tensors{module + ".weight", module + ".weight_scale"};
    switch (as.storage) {
      case Storage::scaled_floats:
        return scaled_float_weight(directory_, *as.format, tensors, n, k);
      case Storage::micro_scaled:
        return micro_scaled_weight(directory_, *as.format, tensors, n, k);
      case Storage::nvfp4:
        return nvfp4_weight(directory_, tensors,
                            TRY(scale_of(directory_, module + ".weight_scale_2")), n, k);
      case Storage::bytes:
      case Storage::bytes_of_groups:
      case Storage::words_of_groups:
        return integers(module, as, n, k);
    }
    __builtin_unreachable();
  }

  Result<QuantizedTensor> integers(const std::string& module, const Weights& as, int64_t n,
                                   int64_t k) const {
    const std::string of_zeros = module + ".weight_zero_point";
    const bool grouped = as.storage != Storage::bytes;
    const int64_t rows = as.integers.of_tensor ? 1 : n, groups = as.integers.groups(k);
    const Tensor stored = TRY(loose_tensor_of(directory_, module + ".weight_scale",
                                              {DType::f32, DType::bf16, DType::f16},
                                              grouped ? Shape{groups, rows} : Shape{rows, groups}));
    Tensor zeros;
    if (as.format->grid->zero_points) {
      zeros = for_groups_of(*as.format, as.integers, k, TRY(codes(of_zeros, as, n, groups, true)));
    } else {
      TRY(check_no_zeros(of_zeros));
    }
    return integer_weight(
        *as.format, as.format->grid->bits, TRY(codes(module + ".weight", as, n, k, false)),
        for_groups_of(*as.format, as.integers, k, grouped ? transposed(stored, pool_) : stored),
        zeros);
  }

  // u8 [n, k] of weights, or of zero points with k groups.
  Result<Tensor> codes(const std::string& name, const Weights& as, int64_t n, int64_t k,
                       bool zeros) const {
    const int bits = as.format->grid->bits;
    if (as.storage == Storage::words_of_groups) {
      const char* const packing = !reordered_ ? "gptq_v2_zeros" : zeros ? "awq_zeros" : "awq";
      Tensor out = TRY(codes_of(directory_, name, packing, n, k, bits));
      if (as.is_signed) turn_signs(out);
      return out;
    }
    const bool grouped = as.storage == Storage::bytes_of_groups;
    const Tensor out =
        TRY(byte_codes(directory_, name, as.is_signed, grouped ? Shape{k, n} : Shape{n, k}, bits));
    return grouped ? transposed(out, pool_) : out;
  }

  // Symmetric integers are stored with zero points of 0, or without.
  Result<> check_no_zeros(const std::string& name) const {
    if (directory_.find(name) == nullptr || rehearsing()) return {};
    const Tensor zeros = TRY(directory_.tensor(name));
    for (const std::byte byte : zeros.span())
      if (byte != std::byte{0})
        return fail({.what = "symmetric integers with zero points",
                     .where = fmt::format("{}, tensor {}", directory_.path().string(), name),
                     .got = "a zero point other than 0",
                     .wanted = "0 everywhere, as symmetric is true",
                     .remedy = "config.json and the tensors contradict each other: correct "
                               "symmetric, or fetch the files again"});
    return {};
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  std::vector<std::string> excluded_, cache_groups_;
  std::vector<Layer> layers_;  // the first is of all
  std::vector<Pattern> classes_, patterns_;
  bool reordered_ = true;
};

}  // namespace

Dialect quark_dialect() {
  return {.name = "quark", .quant_methods = {"quark"}, .open = QuarkReader::open};
}

}  // namespace farthing
