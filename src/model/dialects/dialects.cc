// The list of dialects, and which one a directory is written in.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "io/model_folder.h"
#include "model/dialects/dialect.h"

namespace farthing {

#define FARTHING_DIALECT(name) Dialect name##_dialect();
#include "model/dialects/dialects.inc"
#undef FARTHING_DIALECT

namespace {

constexpr size_t side_file_limit_bytes = size_t{64} << 20;

const Dialect* find_dialect(std::string_view quant_method) {
  for (const Dialect& dialect : all_dialects())
    if (std::ranges::find(dialect.quant_methods, quant_method) != dialect.quant_methods.end())
      return &dialect;
  return nullptr;
}

std::string known_methods() {
  std::string out;
  for (const Dialect& dialect : all_dialects())
    for (const std::string_view method : dialect.quant_methods)
      out += (out.empty() ? "" : ", ") + std::string(method);
  return out;
}

Result<OpenedDialect> open_section(const HuggingFaceDirectory& directory, const JsonObject& section,
                                   ModelConfig& config, std::string_view otherwise) {
  const std::string method = TRY(section.string("quant_method", std::string(otherwise)));
  const Dialect* dialect = find_dialect(method);
  if (dialect == nullptr) {
    return fail({.what = "a quantized checkpoint of a dialect that is not read",
                 .where = section.where() + ", field quant_method",
                 .got = method.empty() ? "no such field" : method,
                 .wanted = "one of " + known_methods(),
                 .remedy = "use the unquantized model, or a GGUF file of it"});
  }
  return OpenedDialect{dialect, TRY(dialect->open({directory, section, config}))};
}

}  // namespace

std::span<const Dialect> all_dialects() {
  static const std::array table = {
#define FARTHING_DIALECT(name) name##_dialect(),
#include "model/dialects/dialects.inc"
#undef FARTHING_DIALECT
  };
  return table;
}

Result<std::optional<OpenedDialect>> open_dialect(const HuggingFaceDirectory& directory,
                                                  const JsonObject& json, ModelConfig& config) {
  // The second is what compressed-tensors wrote first, and it alone.
  for (const auto& [field, otherwise] : {std::pair{"quantization_config", ""},
                                         std::pair{"compression_config", "compressed-tensors"}})
    if (json.has(field) && !json.is_null(field))
      return TRY(open_section(directory, TRY(json.object(field)), config, otherwise));
  for (const Dialect& dialect : all_dialects()) {
    if (dialect.side_file.empty()) continue;
    const auto file = TRY(file_of_model(directory.path(), std::string(dialect.side_file)));
    std::error_code code;
    if (!std::filesystem::exists(file, code)) continue;
    const auto section =
        TRY(JsonObject::parse(TRY(read_text_file(file, side_file_limit_bytes)), file.string()));
    return TRY(open_section(directory, section, config, dialect.quant_methods.front()));
  }
  return std::nullopt;
}

}  // namespace farthing
