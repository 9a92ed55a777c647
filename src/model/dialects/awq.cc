// awq: what AutoAWQ writes, versions gemm, gemv and gemv_fast. A linear P is P.qweight, P.scales
// and P.qzeros or P.scaled_zeros, 4 bits with zero points.
//
// Layout: gemm: qweight I32 [k, n / 8], qzeros I32 [groups, n / 8], scales [groups, n].
//         gemv: qweight I32 [n, k / 8], qzeros I32 [n, width], scales [n, 8 width], the last
//         padded: width is groups / 8, rounded up, in groups of 64 to a multiple of 2, of 32 to one
//         of 4.
//         gemv_fast: qweight I16 [n / 4, k], scales and scaled_zeros [8 width, n].
// Value:  scales[g][n] * (code - zero). gemv_fast stores f16(-scale * zero), and its kernel adds
//         that to scale * code; what is read is the zero.
// Source: AutoAWQ, awq/modules/linear/gemm.py, gemv.py and gemv_fast.py; the fields,
// awq/models/_config.py.
#include <fmt/format.h>

#include <cstring>

#include "base/rehearsal.h"
#include "formats/scale_plane.h"
#include "model/checkpoint.h"
#include "model/dialects/awq_gemv_groups.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/stored_tensors.h"
#include "model/transposed.h"

namespace farthing {
namespace {

constexpr int bits = 4;

// The first `columns` of each row.
Tensor first_columns(const Tensor& matrix, int64_t columns) {
  const int64_t element = dtype_bytes(matrix.dtype());
  return first_bytes(matrix, columns * element)
      .viewed_as(matrix.dtype(), {matrix.shape()[0], columns});
}

enum class Version { gemm, gemv, gemv_fast };

class AwqReader : public DialectReader {
 public:
  explicit AwqReader(const DialectSource& source)
      : directory_(source.directory), where_(source.section.where()) {}

  static Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
    auto out = std::make_unique<AwqReader>(source);
    TRY(out->read_section(source.section));
    return out;
  }

  // modules_to_not_convert holds parts of names; the tensors say the same, and for each module.
  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    if (directory_.find(module + ".qweight") == nullptr) return std::nullopt;
    StoredAs out;
    out.scheme.weights =
        TRY(integer_format(arguments_, fmt::format("{}, module {}", where_, module)));
    const char* const zeros = version_ == Version::gemv_fast ? ".scaled_zeros" : ".qzeros";
    for (const char* part : {".qweight", zeros, ".scales"}) out.tensors.push_back(module + part);
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const int64_t n = spec.n, k = spec.k, groups = arguments_.groups(k);
    const Format& format = *as.scheme.weights;
    const int64_t padded =
        version_ == Version::gemm ? groups : awq_gemv_groups(groups, arguments_.group);
    const char* const order = version_ == Version::gemm   ? "awq"
                              : version_ == Version::gemv ? "compressed_tensors"
                                                          : "awq_gemv_fast";
    const StoredCodes codes = TRY(stored_codes(directory_, module + ".qweight", order, n, k, bits));
    const bool by_rows = version_ == Version::gemv;
    Tensor scales =
        TRY(tensor_of(directory_, module + ".scales", {DType::f16, DType::bf16, DType::f32},
                      by_rows ? Shape{n, padded} : Shape{padded, n}));
    scales = first_columns(by_rows ? scales : transposed(scales, pool_), groups);
    const Tensor zeros =
        TRY(version_ == Version::gemv_fast ? whole_zeros(module, scales, padded)
                                           : packed_zeros(module, n, groups, padded));
    return StoredLinear{integer_weight(pool_, format, codes,
                                       for_groups_of(format, arguments_, k, std::move(scales)),
                                       for_groups_of(format, arguments_, k, zeros))};
  }

 private:
  // A field that has an older name.
  static Result<int64_t> either(const JsonObject& section, const char* name, const char* older) {
    return section.has(name) || !section.has(older) ? section.integer(name)
                                                    : section.integer(older);
  }

  Result<> read_section(const JsonObject& section) {
    const int64_t width = TRY(either(section, "bits", "w_bit"));
    if (width != bits) {
      return fail({.what = "an AWQ checkpoint of a bit width that is not read",
                   .where = where_ + ", field bits",
                   .got = std::to_string(width),
                   .wanted = "4",
                   .remedy = "correct the field, or fetch the file again"});
    }
    const int64_t group = TRY(either(section, "group_size", "q_group_size"));
    if (group != -1 && group < 1) {
      return fail({.what = "the quantization section has a group size that is none",
                   .where = where_ + ", field group_size",
                   .got = std::to_string(group),
                   .wanted = "-1 or a number above 0",
                   .remedy = "correct the field, or fetch the file again"});
    }
    arguments_.group = group == -1 ? 0 : group;
    std::string version = TRY(section.string("version", "gemm"));
    for (char& letter : version)
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    if (version != "gemm" && version != "gemv" && version != "gemv_fast") {
      return fail({.what = "an AWQ checkpoint of a version that is not read",
                   .where = where_ + ", field version",
                   .got = version,
                   .wanted = "gemm, gemv or gemv_fast",
                   .remedy = "let the program that wrote it write gemm"});
    }
    version_ = version == "gemm"   ? Version::gemm
               : version == "gemv" ? Version::gemv
                                   : Version::gemv_fast;
    return {};
  }

  // u8 [n, groups].
  Result<Tensor> packed_zeros(const std::string& module, int64_t n, int64_t groups,
                              int64_t padded) const {
    return first_columns(
        TRY(codes_of(directory_, module + ".qzeros",
                     version_ == Version::gemm ? "awq_zeros" : "compressed_tensors", n, padded,
                     bits)),
        groups);
  }

  // The zeros z, u8 as `scales` [n, groups], of stored f16(-scale z).
  Result<Tensor> whole_zeros(const std::string& module, const Tensor& scales,
                             int64_t padded) const {
    const int64_t n = scales.shape()[0], groups = scales.shape()[1];
    const std::string name = module + ".scaled_zeros";
    const Tensor stored = first_columns(
        transposed(TRY(tensor_of(directory_, name, {DType::f16}, {padded, n})), pool_), groups);
    Tensor out(DType::u8, {n, groups});
    if (rehearsing()) return out;
    for (int64_t i = 0; i < n * groups; ++i) {
      const float scale = load_scale(scales, i), scaled = -load_scale(stored, i);
      int zero = 0;
      while (zero < 16 && f32_from_f16(f16_from_f32(scale * static_cast<float>(zero))) != scaled)
        ++zero;
      if (zero == 16) {
        return fail({.what = "a zero point that is no whole number of steps",
                     .where = fmt::format("{}, tensor {}, group {} of output {}",
                                          directory_.path().string(), name, i % groups, i / groups),
                     .got = fmt::format("{} with a scale of {}", -scaled, scale),
                     .wanted = "minus the scale times 0..15",
                     .remedy = "the file is damaged: fetch it again"});
      }
      out.as<uint8_t>()[i] = static_cast<uint8_t>(zero);
    }
    return out;
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  IntegerArguments arguments_{.bits = bits, .zero_points = true};
  Version version_ = Version::gemm;
};

}  // namespace

Dialect awq_dialect() {
  return {.name = "awq",
          .quant_methods = {"awq"},
          .side_file = "quant_config.json",
          .open = AwqReader::open};
}

}  // namespace farthing
