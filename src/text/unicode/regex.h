// Regular expressions of tokenizers (Oniguruma's dialect as far as they use it), run by PCRE2's JIT
// compiler.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace farthing {

class Regex {
 public:
  struct Match {
    std::size_t begin, end;  // bytes
  };

  // Characters are Unicode's; \s is the property White_Space (PCRE2's own \s adds U+180E).
  // Fails on a pattern that PCRE2 refuses, or of more than 64 KiB.
  static Result<Regex> compile(std::string_view pattern, std::string_view where);

  // The first non-empty match at or after byte `from` of `text`, which must be valid UTF-8. A
  // search that exceeds the limit on backtracking (a hostile pattern) counts as no match.
  // Thread-safe.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  explicit Regex(std::shared_ptr<void> code) : code_(std::move(code)) {}
  std::shared_ptr<void> code_;  // pcre2_code
};

}  // namespace farthing
