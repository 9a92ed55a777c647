// marlin: GPTQ's symmetric 4-bit weights in the order of the Marlin kernel, as AutoGPTQ saved them.
// A linear P is P.B I32 [k / 16, 2 n] and P.s [groups, n]; P.workspace, if it is there, says
// nothing.
//
// Layout: codes as in formats/packing/marlin.cc, scales as in marlin_scales.h.
// Value:  s * (code - 8).
// Source: IST-DASLab/marlin, marlin/__init__.py; the fields, AutoGPTQ
//         (auto_gptq/quantization/config.py: is_marlin_format, later checkpoint_format marlin).
#include <fmt/format.h>

#include "base/rehearsal.h"
#include "model/checkpoint.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/marlin_scales.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

constexpr int bits = 4;

// [groups, n] in the kernel's order as [n, groups].
template <class Bits>
Tensor scales_of(const Tensor& stored) {
  const int64_t groups = stored.shape()[0], n = stored.shape()[1];
  Tensor out(stored.dtype(), {n, groups});
  if (rehearsing()) return out;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t at = 0; at < n; ++at)
      out.as<Bits>()[marlin_output_at(groups, at) * groups + g] = stored.as<Bits>()[g * n + at];
  return out;
}

class MarlinReader : public DialectReader {
 public:
  explicit MarlinReader(const DialectSource& source)
      : directory_(source.directory), where_(source.section.where()) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<MarlinReader>(source);
    TRY(out->read_section(source.section));
    return out;
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    if (directory_.find(module + ".B") == nullptr) return std::nullopt;
    StoredAs out;
    out.scheme.weights =
        TRY(integer_format(arguments_, fmt::format("{}, module {}", where_, module)));
    for (const char* part : {".B", ".s", ".workspace"}) out.tensors.push_back(module + part);
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const int64_t n = spec.n, k = spec.k, groups = arguments_.groups(k);
    const StoredCodes codes = TRY(stored_codes(directory_, module + ".B", "marlin", n, k, bits));
    const Tensor scales = TRY(
        tensor_of(directory_, module + ".s", {DType::f16, DType::bf16, DType::f32}, {groups, n}));
    const Format& format = *as.scheme.weights;
    Tensor of_groups =
        scales.dtype() == DType::f32 ? scales_of<float>(scales) : scales_of<uint16_t>(scales);
    return StoredLinear{integer_weight(pool_, format, codes,
                                       for_groups_of(format, arguments_, k, std::move(of_groups)))};
  }

 private:
  Error not_read(const char* field, std::string got, std::string wanted) const {
    return {.what = "a Marlin checkpoint of a kind that is not read",
            .where = fmt::format("{}, field {}", where_, field),
            .got = std::move(got),
            .wanted = std::move(wanted),
            .remedy = "correct the field, or fetch the file again"};
  }

  Result<> read_section(const JsonObject& section) {
    const int64_t width = TRY(section.integer("bits", bits));
    if (width != bits) return fail(not_read("bits", std::to_string(width), "4"));
    if (!TRY(section.boolean("sym", true))) return fail(not_read("sym", "false", "true"));
    const int64_t size = TRY(section.integer("group_size"));
    if (size != -1 && size < 1)
      return fail(not_read("group_size", std::to_string(size), "-1 or a number above 0"));
    arguments_.group = size == -1 ? 0 : size;
    return {};
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  IntegerArguments arguments_{.bits = bits};
};

}  // namespace

Dialect marlin_dialect() {
  return {.name = "marlin", .quant_methods = {"marlin"}, .open = MarlinReader::open};
}

}  // namespace farthing
