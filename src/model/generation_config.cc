// Reading of generation_config.json.
#include "model/generation_config.h"

#include "base/file.h"
#include "io/json.h"
#include "io/model_folder.h"
#include "model/blocks/sizes.h"

namespace farthing {

Result<std::vector<int32_t>> stop_tokens_of_folder(const std::filesystem::path& folder,
                                                   const ModelConfig& config) {
  constexpr size_t limit_bytes = size_t{1} << 20;
  const auto file = TRY(file_of_model(folder, "generation_config.json"));
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return config.stop_tokens;
  const auto json = TRY(JsonObject::parse(TRY(read_text_file(file, limit_bytes)), file.string()));
  std::vector<int32_t> out = TRY(tokens_from_json(json, "eos_token_id"));
  return out.empty() ? config.stop_tokens : out;
}

}  // namespace farthing
