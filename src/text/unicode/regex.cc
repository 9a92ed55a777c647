// The adapter of PCRE2.
#include "text/unicode/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kMaximumPatternBytes = 64 * 1024;
constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::size_t kJitStackBytes = 1 << 20;

pcre2_code* code_of(const std::shared_ptr<void>& code) {
  return static_cast<pcre2_code*>(code.get());
}

// What a search writes to; one per thread serves every pattern (only the whole match is read).
struct SearchState {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr);

  SearchState() {
    CHECK(data != nullptr && context != nullptr);
    pcre2_set_match_limit(context, kMatchLimit);
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~SearchState() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

std::string to_pcre2_dialect(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += "\\p{WSpace}";
    } else if (escaped == 'S') {
      out += "\\P{WSpace}";
    } else {
      out += '\\';
      out += escaped;
    }
  }
  return out;
}

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern, std::string_view where) {
  const auto refuse = [&](std::string reason) {
    return fail({.what = "a regular expression of the tokenizer cannot be compiled",
                 .where = std::string(where),
                 .got = fmt::format("\"{}\": {}", pattern.substr(0, 200), reason),
                 .wanted = "a pattern that PCRE2 accepts",
                 .remedy = "check that the tokenizer file is complete and unmodified"});
  };
  if (pattern.size() > kMaximumPatternBytes) {
    return refuse(
        fmt::format("{} bytes long, at most {} are read", pattern.size(), kMaximumPatternBytes));
  }
  const std::string translated = to_pcre2_dialect(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    char message[256] = "";
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof(message));
    return refuse(message);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, the interpreter serves
  return Regex(
      std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); }));
}

std::optional<Regex::Match> Regex::find(std::string_view text, std::size_t from) const {
  thread_local SearchState state;
  while (from < text.size()) {
    const int count = pcre2_match(code_of(code_), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), from, PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (count < 0) return std::nullopt;
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(state.data);
    // \K in a look-ahead may put the end before the start; such a match is no use either.
    if (ends[1] > ends[0] && ends[0] >= from) return Match{ends[0], ends[1]};
    from = std::max(from, ends[0]);
    if (from < text.size()) from += utf8_character_bytes(text[from]);
  }
  return std::nullopt;
}

}  // namespace farthing
