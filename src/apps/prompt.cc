// Reading a prompt from where it is.
#include "apps/prompt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"

namespace farthing {
namespace {

constexpr size_t most_prompt_bytes = size_t{64} << 20;

Result<std::string> read_standard_input() {
  std::string out;
  char piece[65536];
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, piece, sizeof piece);
    if (count == 0) return out;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || out.size() + static_cast<size_t>(count) > most_prompt_bytes) {
      return fail({.what = "cannot read the prompt",
                   .where = "standard input",
                   .got = count < 0 ? std::strerror(errno) : "more than 64 MiB",
                   .wanted = "a text of at most 64 MiB",
                   .remedy = "give the prompt with -p or -f"});
    }
    out.append(piece, static_cast<size_t>(count));
  }
}

}  // namespace

void declare_prompt(OptionList& list, PromptOptions& options, const std::string& what) {
  list.text("-p,--prompt", "TEXT", options.text,
            fmt::format("The text to {}; - reads it from standard input", what));
  list.text("-f,--file", "FILE", options.file, fmt::format("A file with the text to {}", what));
}

Result<> check_prompt(const PromptOptions& options) {
  if (options.text.empty() || options.file.empty()) return {};
  return fail({.what = "two prompts were given",
               .where = "--prompt and --file",
               .got = "both",
               .wanted = "one of them",
               .remedy = "leave one away"});
}

Result<std::string> read_prompt(const PromptOptions& options) {
  if (!options.file.empty()) return read_text_file(options.file, most_prompt_bytes);
  if (options.text == "-") return read_standard_input();
  return options.text;
}

}  // namespace farthing
