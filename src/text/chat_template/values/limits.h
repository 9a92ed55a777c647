// The limits that a template runs under, whatever it does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace farthing::jinja {

inline constexpr std::size_t kMostSourceBytes = std::size_t{4} << 20;
// Blocks in blocks and brackets in brackets, together.
inline constexpr int kDeepestSyntax = 100;
// Operations one behind the other, a + b + c, which make the tree deep too.
inline constexpr int kDeepestExpression = 200;
// Statements, expressions and calls of macros inside each other while they run: macros that call
// themselves come here. Each takes about 3 KB of stack.
inline constexpr int kDeepestEvaluation = 300;
// Lists in lists; JSON texts too.
inline constexpr std::uint32_t kDeepestValue = 100;
inline constexpr std::size_t kMostOutputBytes = std::size_t{64} << 20;
// One for each evaluated expression and statement, and what Budget says of bytes and elements: so
// time and memory are bounded together. What one of these steps can make takes at most some 50
// bytes, which is a gigabyte for all of them.
inline constexpr std::uint64_t kMostSteps = 20'000'000;
inline constexpr std::uint64_t kStepsOfScope = 8;    // a pass of a loop, a call of a macro
inline constexpr std::uint64_t kStepsOfElement = 4;  // printed or compared, at any level
// As jinja2's sandbox has it.
inline constexpr std::int64_t kLongestRange = 100'000;

// What is left of kMostSteps in one rendering.
class Budget {
 public:
  Result<> spend(std::uint64_t steps);
  Result<> spend_bytes(std::size_t bytes) { return spend(bytes / 16); }
  // Elements that are read.
  Result<> spend_items(std::size_t items) { return spend(items / 4); }
  // Elements that are made, before they are: some 40 bytes each.
  Result<> spend_new_items(std::size_t items) { return spend(items); }
  // The same of texts (the parts of another) and of a dictionary's members: some 150 bytes each.
  Result<> spend_new_texts(std::size_t texts) {
    return spend(texts > kMostSteps ? texts : 4 * texts);
  }
  // A text that is taken apart into its characters, and not into elements: 16 bytes each.
  Result<> spend_characters(std::size_t bytes) { return spend(bytes / 2); }

 private:
  std::uint64_t left_ = kMostSteps;
};

}  // namespace farthing::jinja
