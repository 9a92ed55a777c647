// GgufTranslation: GGUF metadata as the config.json that they amount to, so that one reader serves
// both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/result.h"

namespace farthing {

class GgufFile;
struct Architecture;

// Keys are those of GGUF without the architecture's name: "attention.head_count".
class GgufTranslation {
 public:
  GgufTranslation(const GgufFile& file, const Architecture& architecture);

  // What nearly all have: vocabulary, tokens, tied head; then what the architecture says.
  Result<std::string> text();

  // Fields of config.json from keys, which must be there where nothing stands for them.
  Result<> integer(std::string_view key, const char* field,
                   std::optional<int64_t> otherwise = std::nullopt);
  Result<> number(std::string_view key, const char* field,
                  std::optional<double> otherwise = std::nullopt);
  // Those of Llama's config.json that are sizes, and rope_theta and rope_scaling.
  Result<> llama_sizes();
  Result<> rope();
  // llama_sizes, rope and rms_norm_eps.
  Result<> llama();
  // How many experts there are, as `field` of config.json, and how many a token goes to.
  Result<> experts(const char* field);

  bool has(std::string_view key) const;
  bool has_tensor(std::string_view name) const;
  // Fails where it is not there.
  Result<int64_t> value(std::string_view key) const;
  Result<bool> flag(std::string_view key) const;
  JsonWriter& json() { return json_; }
  // Whether the ends of YaRN's blend are whole pairs, which GGUF does not say.
  void set_yarn_truncates(bool truncates) { whole_pairs_ = truncates; }

 private:
  std::string full(std::string_view key) const;
  Result<std::vector<float>> factors(std::string_view tensor) const;
  Result<> stretched_by_factors();
  Result<> stretched_by_yarn();

  const GgufFile& file_;
  const Architecture& architecture_;
  JsonWriter json_;
  std::optional<bool> whole_pairs_;
};

}  // namespace farthing
