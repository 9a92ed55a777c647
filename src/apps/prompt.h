// The text that a command works on: given, from a file, or from standard input.
#pragma once

#include <string>

#include "apps/command_line.h"
#include "base/result.h"

namespace farthing {

struct PromptOptions {
  std::string text, file;
};

// -p,--prompt and -f,--file; `what` ends the sentence "The text to ...".
void declare_prompt(OptionList& list, PromptOptions& options, const std::string& what);
// Fails where both are given.
Result<> check_prompt(const PromptOptions& options);
// At most 64 MiB.
Result<std::string> read_prompt(const PromptOptions& options);

}  // namespace farthing
