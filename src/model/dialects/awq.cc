// awq: what AutoAWQ writes, versions gemm and gemv. A linear P is P.qweight, P.qzeros and P.scales,
// 4 bits with zero points.
//
// Layout: gemm: qweight I32 [k, n / 8], qzeros I32 [groups, n / 8], scales [groups, n].
//         gemv: qweight I32 [n, k / 8], qzeros I32 [n, width], scales [n, 8 width], the last
//         padded: width is groups / 8, rounded up, in groups of 64 to a multiple of 2, of 32 to one
//         of 4.
// Value:  scales[g][n] * (code - zero).
// Source: AutoAWQ, awq/modules/linear/gemm.py and gemv.py; the fields, awq/models/_config.py.
#include <fmt/format.h>

#include <cstring>

#include "base/rehearsal.h"
#include "model/checkpoint.h"
#include "model/dialects/awq_gemv_groups.h"
#include "model/dialects/dialect.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

constexpr int bits = 4;

// The first `columns` of each row.
Tensor first_columns(const Tensor& matrix, int64_t columns) {
  const int64_t element = dtype_bytes(matrix.dtype());
  return first_bytes(matrix, columns * element)
      .viewed_as(matrix.dtype(), {matrix.shape()[0], columns});
}

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
    out.scheme.weights = TRY(integer_format({.bits = bits, .group = group_, .zero_points = true},
                                            fmt::format("{}, module {}", where_, module)));
    for (const char* part : {".qweight", ".qzeros", ".scales"})
      out.tensors.push_back(module + part);
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const int64_t n = spec.n, k = spec.k, groups = as.scheme.weights->grid->groups(k);
    const int64_t padded = gemv_ ? awq_gemv_groups(groups, group_) : groups;
    Tensor codes = TRY(codes_of(directory_, module + ".qweight",
                                gemv_ ? "compressed_tensors" : "awq", n, k, bits));
    Tensor zeros = TRY(codes_of(directory_, module + ".qzeros",
                                gemv_ ? "compressed_tensors" : "awq_zeros", n, padded, bits));
    Tensor scales =
        TRY(tensor_of(directory_, module + ".scales", {DType::f16, DType::bf16, DType::f32},
                      gemv_ ? Shape{n, padded} : Shape{groups, n}));
    return StoredLinear{integer_weight(*as.scheme.weights, bits, std::move(codes),
                                       gemv_ ? first_columns(scales, groups) : transposed(scales),
                                       first_columns(zeros, groups))};
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
    group_ = group == -1 ? 0 : group;
    std::string version = TRY(section.string("version", "gemm"));
    for (char& letter : version)
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    if (version != "gemm" && version != "gemv") {
      return fail({.what = "an AWQ checkpoint of a version that is not read",
                   .where = where_ + ", field version",
                   .got = version,
                   .wanted = "gemm or gemv",
                   .remedy = "let the program that wrote it write gemm"});
    }
    gemv_ = version == "gemv";
    return {};
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  int64_t group_ = 0;  // 0: the row
  bool gemv_ = false;
};

}  // namespace

Dialect awq_dialect() {
  return {.name = "awq",
          .quant_methods = {"awq"},
          .side_file = "quant_config.json",
          .open = AwqReader::open};
}

}  // namespace farthing
