// Reading a TOML file of settings: typed values in stated ranges, and errors that name file, line
// and key.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace farthing {

// A table of the file. Keys are dotted ("optimizer.learning_rate"). A key that is absent leaves its
// target as it is; one of another type, or out of range, is an error. Copies share the file.
class TomlTable {
 public:
  // At most 1 MiB.
  static Result<TomlTable> read(const std::filesystem::path& file);
  ~TomlTable();
  TomlTable(const TomlTable&);
  TomlTable& operator=(const TomlTable&) = delete;

  bool has(const std::string& key);
  Result<> number(const std::string& key, double& to, double least, double most);
  Result<> integer(const std::string& key, int64_t& to, int64_t least,
                   int64_t most = int64_t{1} << 40);
  Result<> boolean(const std::string& key, bool& to);
  // `names`: what is allowed; any text where it is empty.
  Result<> word(const std::string& key, std::string& to,
                const std::vector<std::string>& names = {});
  // A list of texts.
  Result<> words(const std::string& key, std::vector<std::string>& to);
  // A text that `parse` turns into a T, or something that is false; `wanted` says what it takes.
  template <class T, class Parse>
  Result<> parsed(const std::string& key, T& to, const Parse& parse, const std::string& wanted) {
    std::string text;
    TRY(word(key, text));
    if (text.empty()) return {};
    auto result = parse(text);
    if (!result) return fail(error(key, wanted));
    to = *result;
    return {};
  }
  // The tables of [[key]]; none where it is absent.
  Result<std::vector<TomlTable>> tables(const std::string& key);

  // What is wrong with the value of a key: its line, what is there, what was wanted.
  Error error(const std::string& key, std::string wanted) const;
  // Fails on the first key that nobody asked for, and names the nearest of those that somebody did.
  // `document`: where the keys are listed.
  Result<> check_unknown(const std::string& document) const;

 private:
  struct Parts;
  explicit TomlTable(std::shared_ptr<Parts> parts);
  std::shared_ptr<Parts> parts_;
};

}  // namespace farthing
