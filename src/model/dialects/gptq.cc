// gptq: what AutoGPTQ and GPTQModel write. A linear P is P.qweight I32 [k b / 32, n], P.qzeros I32
// [groups, n b / 32], P.scales [groups, n] and P.g_idx I32 [k], the group of each input.
//
// Value:  scales[g][n] * (code - zero), g = g_idx[k]: k / group_size or, where columns were
//         quantized in the order of their activations, any. Version 1 (checkpoint_format gptq, or
//         none given) stores zero - 1.
// Source: GPTQModel, gptqmodel/nn_modules/qlinear/__init__.py and gptqmodel/quantization/config.py.
#include <fmt/format.h>

#include <algorithm>

#include "base/rehearsal.h"
#include "formats/packing/packing.h"
#include "model/checkpoint.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/module_patterns.h"
#include "model/dialects/stored_tensors.h"
#include "model/transposed.h"

namespace farthing {

Dialect marlin_dialect();

namespace {

struct Version {
  std::string_view checkpoint_format, codes, zeros;
};
constexpr Version versions[] = {
    {"gptq", "gptq", "gptq_v1_zeros"},
    {"gptq_v2", "gptq", "gptq_v2_zeros"},
    {"gptq_p", "gptq_planar", "gptq_planar_zeros"},
};

// What the section, or one of its overrides, says of weights.
struct Arguments {
  int64_t bits = 0, group_size = 0;
  bool symmetric = true;
  bool operator==(const Arguments&) const = default;

  IntegerArguments integers() const {
    return {.bits = static_cast<int>(bits),
            .group = group_size < 0 ? 0 : group_size,
            .zero_points = !symmetric};
  }
};

Result<Arguments> read_arguments(const JsonObject& from, const Arguments* base) {
  Arguments out;
  out.bits = base ? TRY(from.integer("bits", base->bits)) : TRY(from.integer("bits"));
  out.group_size =
      base ? TRY(from.integer("group_size", base->group_size)) : TRY(from.integer("group_size"));
  out.symmetric = TRY(from.boolean("sym", base ? base->symmetric : true));
  TRY(from.boolean("desc_act", false));  // g_idx says it, whatever stands here
  if (out.bits < 2 || out.bits > 8) {
    return fail({.what = "the quantization section has a bit width that is not read",
                 .where = from.where() + ", field bits",
                 .got = std::to_string(out.bits),
                 .wanted = "2 to 8",
                 .remedy = "correct the field, or fetch the file again"});
  }
  if (out.group_size != -1 && out.group_size < 1) {
    return fail({.what = "the quantization section has a group size that is none",
                 .where = from.where() + ", field group_size",
                 .got = std::to_string(out.group_size),
                 .wanted = "-1 or a number above 0",
                 .remedy = "correct the field, or fetch the file again"});
  }
  return out;
}

// One entry of `dynamic`.
struct Override {
  std::string text;
  ModuleRegex pattern;
  std::optional<Arguments> arguments;  // none: the modules are not quantized
};

class GptqReader : public DialectReader {
 public:
  explicit GptqReader(const DialectSource& source) : directory_(source.directory) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    const bool marlin = TRY(source.section.boolean("is_marlin_format", false)) ||
                        TRY(source.section.string("checkpoint_format", "")) == "marlin";
    if (marlin) return marlin_dialect().open(source);
    auto out = std::make_unique<GptqReader>(source);
    TRY(out->read_section(source.section));
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    if (directory_.find(module + ".qweight") == nullptr) return std::nullopt;
    const Arguments arguments = TRY(arguments_of(module));
    StoredAs out;
    const std::string where = fmt::format("{}, module {}", where_, module);
    IntegerArguments integers = arguments.integers();
    out.scheme.weights = TRY(integer_format(integers, where));
    for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
      out.tensors.push_back(module + part);
    integers.act_order = TRY(is_act_order(directory_, module + ".g_idx", spec.k, integers));
    if (integers.act_order) out.scheme.weights = TRY(integer_format(integers, where));
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const Arguments arguments = TRY(arguments_of(module));
    const int bits = static_cast<int>(arguments.bits);
    const Format& runs = format_in_runs(*as.scheme.weights);
    const IntegerArguments integers = arguments.integers();
    const int64_t n = spec.n, k = spec.k, groups = integers.groups(k);
    const Tensor scales = TRY(tensor_of(directory_, module + ".scales",
                                        {DType::f16, DType::bf16, DType::f32}, {groups, n}));
    const bool has_zeros = directory_.find(module + ".qzeros") != nullptr || !arguments.symmetric;
    Tensor zeros;
    if (has_zeros)
      zeros = TRY(codes_of(directory_, module + ".qzeros", version_->zeros, n, groups, bits));
    if (arguments.symmetric && has_zeros) TRY(check_middle(module, zeros, bits));
    if (arguments.symmetric && runs.grid->zero_points) zeros = middle_zeros(n, groups, bits);
    if (zeros) zeros = for_groups_of(runs, integers, k, std::move(zeros));
    QuantizedTensor weight =
        TRY(codes_under(module + ".qweight", runs, bits, n, k,
                        for_groups_of(runs, integers, k, transposed(scales, pool_)), zeros));
    const std::string of_inputs = module + ".g_idx";
    StoredLinear out{
        TRY(with_input_groups(directory_, of_inputs, *as.scheme.weights, std::move(weight)))};
    out.form.without_groups = directory_.find(of_inputs) == nullptr;
    return out;
  }

 private:
  Result<QuantizedTensor> codes_under(const std::string& name, const Format& format, int bits,
                                      int64_t n, int64_t k, Tensor scales,
                                      const Tensor& zeros) const {
    if (format.grid->bits != bits || version_->codes != "gptq")
      return integer_weight(pool_, format,
                            TRY(stored_codes(directory_, name, version_->codes, n, k, bits)),
                            std::move(scales), zeros);
    // A column of words is a row of the plane.
    const Shape words = TRY(packed_shape(*find_packing("gptq"), n, k, bits));
    const Tensor packed = TRY(tensor_of(directory_, name, {DType::i32}, words));
    return integer_weight_of_planes(format, k,
                                    first_bytes(transposed(packed, pool_), (k * bits + 7) / 8),
                                    std::move(scales), zeros);
  }

  Result<> read_section(const JsonObject& section) {
    where_ = section.where();
    base_ = TRY(read_arguments(section, nullptr));
    const std::string form = TRY(section.string("checkpoint_format", "gptq"));
    const auto* found = std::ranges::find(versions, form, &Version::checkpoint_format);
    if (found == std::end(versions)) {
      return fail({.what = "a GPTQ checkpoint of a format that is not read",
                   .where = where_ + ", field checkpoint_format",
                   .got = form,
                   .wanted = "gptq, gptq_v2, gptq_p or marlin",
                   .remedy = "let the program that wrote it write one of these"});
    }
    version_ = found;
    if (const std::string type = TRY(section.string("pack_dtype", "int32")); type != "int32") {
      return fail({.what = "GPTQ codes in words of a type that is not read",
                   .where = where_ + ", field pack_dtype",
                   .got = type,
                   .wanted = "int32",
                   .remedy = "let the program that wrote it write int32"});
    }
    if (!section.has("dynamic") || section.is_null("dynamic")) return {};
    const JsonObject dynamic = TRY(section.object("dynamic"));
    for (const std::string& key : dynamic.keys()) {
      const bool excluded = key.starts_with("-:"), marked = excluded || key.starts_with("+:");
      ModuleRegex pattern =
          TRY(ModuleRegex::compile(marked ? key.substr(2) : key, dynamic.where()));
      Override one{key, std::move(pattern), {}};
      if (!excluded) one.arguments = TRY(read_arguments(TRY(dynamic.member(key)), &base_));
      overrides_.push_back(std::move(one));
    }
    return {};
  }

  // Of a module that has a qweight.
  Result<Arguments> arguments_of(const std::string& module) const {
    const Override* found = nullptr;
    for (const Override& one : overrides_) {
      if (!one.pattern.matches(module)) continue;
      // Which of them counts would depend on their order, which an object of JSON does not have.
      if (found != nullptr && found->arguments != one.arguments) {
        return fail({.what = "two overrides say different things of one module",
                     .where = fmt::format("{}, field dynamic, module {}", where_, module),
                     .got = fmt::format("\"{}\" and \"{}\"", found->text, one.text),
                     .wanted = "one, or several that agree",
                     .remedy = "make the patterns of dynamic exclude each other"});
      }
      found = &one;
    }
    if (found == nullptr) return base_;
    if (found->arguments) return *found->arguments;
    return fail(left_out_error(where_ + ", field dynamic", fmt::format("\"{}\"", found->text),
                               module, module + ".qweight"));
  }

  // Zeros of symmetric codes are all 2^(bits-1). Readers do not look at them, so a file whose
  // version is named wrongly has them one off, and is read all the same.
  Result<> check_middle(const std::string& module, const Tensor& zeros, int bits) const {
    if (rehearsing()) return {};
    const auto* begin = zeros.as<uint8_t>();
    const auto* end = begin + zeros.shape().elements();
    const int middle = 1 << (bits - 1);
    const int other = version_->zeros == "gptq_v1_zeros" ? middle + 1 : middle - 1;
    if (std::all_of(begin, end, [&](uint8_t zero) { return zero == middle; }) ||
        std::all_of(begin, end, [&](uint8_t zero) { return zero == other; }))
      return {};
    return fail({.what = "symmetric weights with zero points",
                 .where = fmt::format("{}, tensor {}.qzeros", directory_.path().string(), module),
                 .got = fmt::format("a zero point other than {}", middle),
                 .wanted = fmt::format("{} everywhere, as sym is true", middle),
                 .remedy = "config.json and the weights contradict each other: correct sym, or "
                           "fetch the files again"});
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  Arguments base_;
  const Version* version_ = nullptr;
  std::vector<Override> overrides_;
};

}  // namespace

Dialect gptq_dialect() {
  return {.name = "gptq",
          .quant_methods = {"gptq"},
          .side_file = "quantize_config.json",
          .open = GptqReader::open};
}

}  // namespace farthing
