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
// One for each evaluated expression and statement, one for each 16 bytes or 4 elements that an
// operation reads or makes, and those below: so time and memory are bounded together.
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
  Result<> spend_items(std::size_t items) { return spend(items / 4); }

 private:
  std::uint64_t left_ = kMostSteps;
};

}  // namespace farthing::jinja
