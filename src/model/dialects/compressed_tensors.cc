// compressed-tensors: what llm-compressor and others write. config_groups state schemes for the
// modules that their targets name; `ignore` leaves modules out.
//
// Layout: of a linear P [n, k], by the format of files
//   pack-quantized   P.weight_packed I32 [n, ceil(k b / 32)], codes q + 2^(b-1) LSB first; before
//                    version 0.17 whole codes in a word. P.weight_scale [n, groups],
//                    P.weight_zero_point I32 [ceil(n b / 32), groups], P.weight_shape [2],
//                    P.weight_g_idx I32 [k]
//   int-quantized    P.weight I8 [n, k], P.weight_scale, P.weight_zero_point I8 [n, groups]
//   float-quantized  P.weight F8_E4M3 [n, k], P.weight_scale
//   nvfp4-pack-quantized, mxfp4-pack-quantized, mxfp8-quantized
//                    P.weight_packed U8 [n, k / 2] (mxfp8: P.weight), P.weight_scale; nvfp4:
//                    P.weight_global_scale, which divides
//   static inputs    P.input_scale, P.input_zero_point; nvfp4: P.input_global_scale, which divides
// Value:  scale * (q - zero); of nvfp4's scales the one of the tensor is f32(1 / global scale).
// Source: compressed-tensors 0.20, compressors/ and quantization/quant_args.py.
#include <fmt/format.h>

#include <algorithm>

#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "formats/packing/packing.h"
#include "model/dialects/compressed_tensors/arguments.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/small_float_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

using compressed_tensors::Arguments;
using compressed_tensors::Group;
using compressed_tensors::integers_of;
using compressed_tensors::Storage;

constexpr auto float_types = {DType::bf16, DType::f16, DType::f32};

class CompressedTensorsReader : public DialectReader {
 public:
  explicit CompressedTensorsReader(const HuggingFaceDirectory& directory, ModuleTargets ignored)
      : directory_(directory), ignored_(std::move(ignored)) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    const JsonObject& section = source.section;
    std::vector<std::string> ignored;
    if (section.has("ignore") && !section.is_null("ignore"))
      ignored = TRY(section.strings("ignore"));
    auto out = std::make_unique<CompressedTensorsReader>(
        source.directory, TRY(ModuleTargets::parse(ignored, section.where() + ", field ignore")));
    out->where_ = section.where();
    out->groups_ = TRY(compressed_tensors::read_groups(section));
    if (section.has("kv_cache_scheme") && !section.is_null("kv_cache_scheme")) {
      const JsonObject cache = TRY(section.object("kv_cache_scheme"));
      out->stated_kv_cache_ = {
          fmt::format("{} of {} bits (field kv_cache_scheme)", TRY(cache.string("type", "int")),
                      TRY(cache.integer("num_bits", 8))),
          cache.text()};
    }
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool embedding) const override {
    const std::string module = module_of(spec.name);
    const Group* group = group_of(module, embedding);
    std::optional<Storage> storage;
    if (group != nullptr) storage = TRY(compressed_tensors::storage_of(*group));
    if (!storage) {
      for (const char* part : {".weight_packed", ".weight_scale"})
        if (directory_.find(module + part) != nullptr)
          return fail(left_out_error(where_, "ignored or in no group", module, module + part));
      return std::nullopt;
    }
    StoredAs out{TRY(compressed_tensors::scheme_of(*group, *storage)),
                 {},
                 static_cast<size_t>(group - groups_.data())};
    for (const char* part : {".weight_packed", ".weight", ".weight_scale", ".weight_zero_point",
                             ".weight_shape", ".weight_g_idx", ".weight_global_scale",
                             ".input_scale", ".input_zero_point", ".input_global_scale"})
      if (directory_.find(module + part) != nullptr) out.tensors.push_back(module + part);
    if (out.tensors.empty()) out.tensors.push_back(spec.name);
    if (!out.scheme.weights->grid) return out;
    IntegerArguments integers = integers_of(*group->weights);
    integers.act_order = TRY(is_act_order(directory_, module + ".weight_g_idx", spec.k, integers));
    if (integers.act_order)
      out.scheme.weights = TRY(integer_format(integers, group->weights->where));
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    StoredLinear out;
    const Format& format = *as.scheme.weights;
    out.weight = TRY(
        with_input_groups(directory_, module + ".weight_g_idx", format,
                          TRY(weight(spec, module, groups_[as.group], format_in_runs(format)))));
    out.form.whole_words = format.grid && has_whole_words(module, spec, groups_[as.group]);
    const std::string groups = module + ".weight_g_idx";
    if (!has_input_groups(format) && directory_.find(groups) != nullptr)
      out.form.input_groups = TRY(directory_.tensor(groups));
    out.activations = as.scheme.activations;
    TRY(read_input(module, out));
    return out;
  }

 private:
  // The one whose targets fit the module most closely; null where none does, or it is ignored.
  const Group* group_of(const std::string& module, bool embedding) const {
    const char* const class_name = embedding ? "Embedding" : "Linear";
    if (ignored_.fit(module, class_name) != ModuleTargets::none) return nullptr;
    const Group* best = nullptr;
    auto most = ModuleTargets::none;
    for (const Group& group : groups_) {
      const auto fit = group.targets.fit(module, class_name);
      if (fit <= most) continue;
      most = fit;
      best = &group;
    }
    return best;
  }

  Result<QuantizedTensor> weight(const LinearSpec& spec, const std::string& module,
                                 const Group& group, const Format& format) const {
    const int64_t n = spec.n, k = spec.k;
    const SmallFloatTensors packed{module + ".weight_packed", module + ".weight_scale"},
        elements{module + ".weight", module + ".weight_scale"};
    switch (*TRY(compressed_tensors::storage_of(group))) {
      case Storage::packed:
        return packed_weight(spec, module, group, format);
      case Storage::integers:
        return byte_weight(spec, module, *group.weights, format);
      case Storage::scaled_floats:
        return scaled_float_weight(directory_, format, elements, n, k);
      case Storage::nvfp4:
        return nvfp4_weight(directory_, packed,
                            1 / TRY(scale_of(directory_, module + ".weight_global_scale")), n, k);
      case Storage::mxfp4:
        return micro_scaled_weight(directory_, format, packed, n, k);
      case Storage::mxfp8:
        return micro_scaled_weight(directory_, format, elements, n, k);
    }
    __builtin_unreachable();
  }

  // A scale for each group of each row, or one for all.
  Result<Tensor> scales(const std::string& module, const IntegerArguments& integers,
                        const Format& format, int64_t n, int64_t k) const {
    return for_groups_of(format, integers, k,
                         TRY(loose_tensor_of(directory_, module + ".weight_scale", float_types,
                                             {integers.of_tensor ? 1 : n, integers.groups(k)})));
  }

  // Whether words are those of before version 0.17, by their number: where neither codes nor zeros
  // tell, they are the newer ones.
  bool has_whole_words(const std::string& module, const LinearSpec& spec,
                       const Group& group) const {
    const int64_t bits = group.weights->bits;
    const auto tells = [&](const char* part, int dimension, int64_t codes) {
      const auto* entry = directory_.find(module + part);
      const int64_t in_word = 32 / bits, words = (codes + in_word - 1) / in_word;
      return entry != nullptr && entry->dtype == DType::i32 && entry->shape.rank() == 2 &&
             entry->shape[dimension] == words && words != (codes * bits + 31) / 32;
    };
    return tells(".weight_packed", 1, spec.k) || tells(".weight_zero_point", 0, spec.n);
  }

  Result<> check_shape(const std::string& name, int64_t n, int64_t k) const {
    if (directory_.find(name) == nullptr) return {};
    const Tensor shape = TRY(tensor_of(directory_, name, {DType::i64, DType::i32}, {2}));
    if (rehearsing()) return {};
    const auto at = [&](int i) {
      return shape.dtype() == DType::i64 ? shape.as<int64_t>()[i] : int64_t{shape.as<int32_t>()[i]};
    };
    if (at(0) == n && at(1) == k) return {};
    return fail({.what = "a weight of another shape than the model has",
                 .where = fmt::format("{}, tensor {}", directory_.path().string(), name),
                 .got = fmt::format("[{}, {}]", at(0), at(1)),
                 .wanted = fmt::format("[{}, {}]", n, k),
                 .remedy = "config.json and the weights are of different models, or one of them "
                           "is damaged"});
  }

  // Symmetric weights have a format with zeros where their groups are no runs of inputs.
  Result<QuantizedTensor> packed_weight(const LinearSpec& spec, const std::string& module,
                                        const Group& group, const Format& format) const {
    const Arguments& arguments = *group.weights;
    const int bits = static_cast<int>(arguments.bits);
    const IntegerArguments integers = integers_of(arguments);
    const int64_t n = spec.n, k = spec.k, groups = integers.groups(k);
    TRY(check_shape(module + ".weight_shape", n, k));
    const std::string name = module + ".weight_packed", of_zeros = module + ".weight_zero_point";
    const std::string packing =
        has_whole_words(module, spec, group) ? "compressed_tensors_legacy" : "compressed_tensors";
    Tensor zeros;
    if (!arguments.symmetric) {
      zeros = TRY(codes_of(directory_, of_zeros, packing + "_zeros", n, groups, bits));
    } else if (format.grid->zero_points) {
      zeros = middle_zeros(n, groups, bits);
    }
    if (zeros) zeros = for_groups_of(format, integers, k, std::move(zeros));
    Tensor of_groups = TRY(scales(module, integers, format, n, k));
    if (format.grid->bits == bits && packing == "compressed_tensors") {
      // The plane itself, but for what pads its rows.
      const Shape words = TRY(packed_shape(*find_packing(packing), n, k, bits));
      const Tensor packed = TRY(tensor_of(directory_, name, {DType::i32}, words));
      return integer_weight_of_planes(format, k, first_bytes(packed, (k * bits + 7) / 8),
                                      std::move(of_groups), zeros);
    }
    return integer_weight(pool_, format, TRY(stored_codes(directory_, name, packing, n, k, bits)),
                          std::move(of_groups), zeros);
  }

  Result<QuantizedTensor> byte_weight(const LinearSpec& spec, const std::string& module,
                                      const Arguments& arguments, const Format& format) const {
    const int bits = static_cast<int>(arguments.bits);
    const IntegerArguments integers = integers_of(arguments);
    const int64_t n = spec.n, k = spec.k, groups = integers.groups(k);
    Tensor zeros;
    if (!arguments.symmetric) {
      zeros = TRY(byte_codes(directory_, module + ".weight_zero_point", true, {n, groups}, bits));
    } else if (format.grid->zero_points) {
      zeros = middle_zeros(n, groups, bits);
    }
    if (zeros) zeros = for_groups_of(format, integers, k, std::move(zeros));
    return integer_weight(format, bits,
                          TRY(byte_codes(directory_, module + ".weight", true, {n, k}, bits)),
                          TRY(scales(module, integers, format, n, k)), zeros);
  }

  Result<> read_input(const std::string& module, StoredLinear& to) const {
    if (!is_static(to.activations)) return {};
    if (to.activations == Activations::nvfp4) {
      to.input.scale = 1 / TRY(scale_of(directory_, module + ".input_global_scale"));
      return {};
    }
    TRY(read_input_scale(directory_, module + ".input_scale", to));
    if (!activations_info(to.activations).has_zero_point) return {};
    const Tensor zero =
        TRY(loose_tensor_of(directory_, module + ".input_zero_point", {DType::i8}, {1}));
    to.input.zero = zero.as<int8_t>()[0];
    return {};
  }

  const HuggingFaceDirectory& directory_;
  ModuleTargets ignored_;
  std::string where_;
  std::vector<Group> groups_;
};

}  // namespace

Dialect compressed_tensors_dialect() {
  return {.name = "compressed-tensors",
          .quant_methods = {"compressed-tensors"},
          .open = CompressedTensorsReader::open};
}

}  // namespace farthing
