// The search for the files of a tokenizer.
#include "model/open_tokenizer.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "base/file.h"
#include "io/gguf/gguf.h"
#include "io/model_folder.h"
#include "model/gguf/vocabulary.h"
#include "text/tokenizer_files.h"
#include "text/tokenizer_json.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr size_t vocabulary_limit_bytes = size_t{256} << 20;
constexpr size_t config_limit_bytes = size_t{64} << 20;

// The text of the file `name`; nothing where it is not there.
Result<std::optional<std::string>> text_of(const fs::path& folder, const char* name, size_t limit) {
  const fs::path file = TRY(file_of_model(folder, name));
  std::error_code code;
  if (!fs::exists(file, code)) return std::nullopt;
  return TRY(read_text_file(file, limit));
}

}  // namespace

Result<TokenizerConfig> tokenizer_config_of_folder(const fs::path& folder) {
  TokenizerConfig config;
  const auto read = [&](const char* name) { return text_of(folder, name, config_limit_bytes); };
  const auto where = [&](const char* name) { return (folder / name).string(); };
  if (const auto text = TRY(read("tokenizer_config.json")))
    config = TRY(tokenizer_config_from_json(*text, where("tokenizer_config.json")));
  if (const auto text = TRY(read("special_tokens_map.json")))
    TRY(add_special_tokens_map(*text, where("special_tokens_map.json"), &config));
  if (const auto text = TRY(read("added_tokens.json")))
    TRY(add_added_tokens(*text, where("added_tokens.json"), &config));
  return config;
}

Result<Tokenizer> tokenizer_of_folder(const fs::path& folder) {
  const auto read = [&](const char* name) { return text_of(folder, name, vocabulary_limit_bytes); };
  const auto where = [&](const char* name) { return (folder / name).string(); };
  const TokenizerConfig config = TRY(tokenizer_config_of_folder(folder));
  if (const auto text = TRY(read("tokenizer.json")))
    return tokenizer_from_json(*text, where("tokenizer.json"), config);
  if (const auto file = TRY(read("tokenizer.model")))
    return tokenizer_from_sentencepiece(*file, where("tokenizer.model"), config);
  const auto vocabulary = TRY(read("vocab.json")), merges = TRY(read("merges.txt"));
  if (vocabulary && merges)
    return tokenizer_from_vocab_and_merges(*vocabulary, *merges, where("vocab.json"), config);
  if (const auto text = TRY(read("vocab.txt")))
    return tokenizer_from_vocab_txt(*text, where("vocab.txt"), config);
  return fail({.what = "the model has no tokenizer",
               .where = folder.string(),
               .got = "none of its files",
               .wanted =
                   "tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt "
                   "beside config.json",
               .remedy = "copy the files from the model's page"});
}

bool folder_has_tokenizer(const fs::path& folder) {
  std::error_code code;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"})
    if (fs::exists(folder / name, code)) return true;
  return false;
}

Result<Tokenizer> open_tokenizer(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) return tokenizer_of_folder(path);
  const std::string where = path.string();
  if (path.extension() == ".gguf")
    return tokenizer_from_gguf(TRY(gguf_vocabulary(TRY(GgufFile::open(path)).metadata(), where)),
                               where);
  const std::string text = TRY(read_text_file(path, vocabulary_limit_bytes));
  if (path.extension() == ".json") return tokenizer_from_json(text, where);
  if (path.extension() == ".model") return tokenizer_from_sentencepiece(text, where);
  if (path.extension() == ".txt") return tokenizer_from_vocab_txt(text, where);
  return fail({.what = "the file is none of those that hold a tokenizer",
               .where = where,
               .got = fmt::format("\"{}\"", path.extension().string()),
               .wanted = "a folder, or a file whose name ends in .gguf, .json, .model or .txt",
               .remedy = "give the model's folder"});
}

}  // namespace farthing
